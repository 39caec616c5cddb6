"""A JSON object in which files stand as strings, as it goes out: compact, in the order given, escaped as Go does it."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from sjs.gateway.zips.base64_pieces import Encoder
from sjs.values import dataclass

PIECE = 192 << 10
"""Bytes of a file that are read at once; a multiple of 3."""

_LONE = re.compile("[\ud800-\udfff]")
_HTML = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class Base64Of:
    """A string that is the base64 of what is left to be read of a file."""

    file: BinaryIO


@dataclass(frozen=True)
class TextOf:
    """A string that is what is left to be read of a file, which is UTF-8."""

    file: BinaryIO


def answer(fields: Mapping[str, Any]) -> Iterator[bytes]:
    """The object in pieces, of which none is much larger than what is read of a file at once."""
    before = b"{"
    for name, value in fields.items():
        yield before + _json(name) + b":"
        before = b","
        if isinstance(value, (Base64Of, TextOf)):
            yield b'"'
            yield from _base64(value.file) if isinstance(value, Base64Of) else _text(value.file)
            yield b'"'
        else:
            yield _json(value)
    yield b"}" if fields else b"{}"


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _LONE.sub("\ufffd", text.translate(_HTML)).encode()


def _base64(file: BinaryIO) -> Iterator[bytes]:
    encoder = Encoder()
    while piece := file.read(PIECE):
        yield encoder.feed(piece)
    yield encoder.close()


def _text(file: BinaryIO) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while piece := file.read(PIECE):
        yield _json(decoder.decode(piece))[1:-1]
    yield _json(decoder.decode(b"", True))[1:-1]
