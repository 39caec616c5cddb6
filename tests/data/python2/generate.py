# -*- coding: utf-8 -*-
"""Records what Python 2's repr makes of texts: `python2.7 generate.py > repr.json`. Recorded with CPython 2.7.18.

Each entry is [text, repr(text)], the text being what JSON gave, which is where the replaced program had it from.
"""
import json
import random

TEXTS = [
    u"", u"echo hello", u"it's", u'say "x"', u"""both ' and " here""", u"a\\b", u"\\'", u"tab\there", u"line\nfeed\r",
    u"\x00\x01\x1f\x7f\x80\x9f\xa0\xad\xff", u"caf\xe9", u"\u20ac\u2028\uffff", u"\U0001f600 \U0010ffff",
    u"\ud800", u"\udcff x", u"$HOME `date` {}[]()", u"'''", u"\x1b[0m",
]
POINTS = list(range(0x20, 0x7F)) + [0, 9, 10, 13, 0x7F, 0xA0, 0xE9, 0x3B1, 0x20AC, 0xFFFD, 0x1F600, 0xD83D]

random.seed(0)
TEXTS += [u"".join(unichr(random.choice(POINTS)) for _ in range(random.randrange(12))) for _ in range(200)]

entries = [json.loads(json.dumps(text)) for text in TEXTS]
print(json.dumps([[text, repr(text)] for text in entries], indent=0, separators=(",", ": ")))
