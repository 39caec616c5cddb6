"""What a job has printed, as a page can show it: rows of text with classes for colours, and nothing else. Bytes are
read here; what they mean to a terminal, `screen.py` does. Of what terminals obey, colours and weights are understood,
the ways to other columns and to rows above, and what erases there; all else, titles, links, replies, screens that are
cleared, is dropped. Pure, and never behind by more than one sequence, however long something that is none goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sjs.gateway.web.pages.screen import Place, Row, Screen

_MOST_PENDING = 256
"""Bytes of a sequence whose end has not come; then it is none."""

_LETTER = rb"""(?:\xc2[\xa0-\xbf] | [\xc3-\xdf][\x80-\xbf]
    | (?:\xe0[\xa0-\xbf] | [\xe1-\xec\xee\xef][\x80-\xbf] | \xed[\x80-\x9f])[\x80-\xbf]
    | (?:\xf0[\x90-\xbf] | [\xf1-\xf3][\x80-\xbf] | \xf4[\x80-\x8f])[\x80-\xbf]{2})"""
_HALF = rb"""(?:[\xc3-\xdf] | \xe0[\xa0-\xbf]? | [\xe1-\xec\xee\xef][\x80-\xbf]? | \xed[\x80-\x9f]?
    | \xf0(?:[\x90-\xbf][\x80-\xbf]?)? | [\xf1-\xf3][\x80-\xbf]{0,2} | \xf4(?:[\x80-\x8f][\x80-\xbf]?)?)"""

_TOKEN = re.compile(
    rb"""
      (?P<text>[\x20-\x7e]+|"""
    + _LETTER
    + rb"""+)
    | (?P<end>\n) | (?P<back>\r) | (?P<over>\x08) | (?P<tab>\t)
    | (?:\x1b\[|\xc2\x9b)(?P<with>[\x30-\x3f]*)[\x20-\x2f]*(?P<do>[\x40-\x7e])
    | (?P<string>\x1b[\]PX^_]|\xc2[\x90\x98\x9d\x9e\x9f])
    | (?P<part>(?:\x1b(?:\[[\x30-\x3f]*)?[\x20-\x2f]* | \xc2(?:\x9b[\x30-\x3f]*[\x20-\x2f]*)? | """
    + _HALF
    + rb""")\Z)
    | (?:\x1b\[|\xc2\x9b)[\x30-\x3f]*[\x20-\x2f]*
    | \x1b[\x20-\x2f]*[\x30-\x7e]?
    | \xc2[\x80-\x9f]
    | (?P<broken>"""
    + _HALF
    + rb"""|[\x80-\xff])
    | [\x00-\x1f\x7f]
    """,
    re.VERBOSE | re.DOTALL,
)
"""Letters; what moves; sequences; one of either that is not whole yet; and what is none and passed over, so that each
byte is the beginning of something."""

_STRING = re.compile(
    rb"(?:[^\x07\x1b\n\xc2]|\xc2(?!\x9c|\Z))*(?P<end>\x07|\x1b\\|\xc2\x9c|(?=\n)|(?=\x1b.))?", re.DOTALL
)
"""What follows the beginning of a title and its like. A line's end ends it, too: else one that was forgotten would hide
all that comes."""


class Lines:
    """Fed with bytes, piece by piece, from a place on."""

    def __init__(self, place: Place | None = None) -> None:
        self._screen = Screen(place)
        self._at = self._screen.place.offset
        self._in_string = False
        self._pending = b""

    @property
    def open(self) -> Sequence[Row]:
        """The rows that can still be changed, as far as they are there."""
        return self._screen.open

    @property
    def place(self) -> Place:
        """Where those begin: who goes on there sees all that comes after the rows that were final."""
        return self._screen.place

    def feed(self, data: bytes) -> list[Row]:
        """The rows that are final with this."""
        ended: list[Row] = []
        screen = self._screen
        start, data, self._pending = self._at - len(self._pending), self._pending + data, b""
        self._at = start + len(data)
        at = 0
        while at < len(data):
            if self._in_string:
                at = self._skip(data, at)
                continue
            token = _TOKEN.match(data, at)
            assert token is not None  # each byte is the beginning of one
            what = token.lastgroup
            if what == "part":
                self._pending = token[0] if len(token[0]) <= _MOST_PENDING else b""
            elif what == "text":
                screen.write(token[0].decode(), start + at, ended)
            elif what == "broken":
                screen.write("\ufffd", start + at, ended)
            elif what == "end":
                screen.end(start + token.end(), ended)
            elif what == "back":
                screen.back()
            elif what == "over":
                screen.over()
            elif what == "tab":
                screen.tab()
            elif what == "string":
                self._in_string = True
            elif what == "do":
                screen.do(token["do"], token["with"])
            at = token.end()
        return ended

    def _skip(self, data: bytes, at: int) -> int:
        match = _STRING.match(data, at)
        assert match is not None
        self._in_string = match["end"] is None
        if self._in_string:
            self._pending = data[match.end() :]  # one byte, which may be half of its end
            return len(data)
        return match.end()
