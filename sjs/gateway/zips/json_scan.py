"""JSON that comes in pieces, read as Go's encoding/json reads it, and refused in its words.

Whoever hears it is told of each thing as it comes, of a string in pieces. Memory: one slice of what is fed, and a byte
for each open bracket. What stands between the strings costs time for each byte, so there is a most of it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Protocol

from sjs.errors import BadRequest, Refused

SLICE = 64 << 10
"""Bytes that are looked at in one go."""

DEPTH = 10_000
"""How deep brackets may be, to Go."""

_RUN = re.compile(rb'[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*')
_CONTROLS = bytes(range(32))
_BEGUN = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
_SPACE = re.compile(rb"[ \t\r\n]*")
_LONE = re.compile("[\ud800-\udfff]")
_LITERALS = {0x74: b"true", 0x66: b"false", 0x6E: b"null"}
_DIGITS = b"0123456789"
_SHORT = {"'": "\\'", "\\": "\\\\", **dict(zip("\a\b\f\n\r\t\v", (f"\\{letter}" for letter in "abfnrtv"), strict=True))}

_NUMBER = {
    # what follows, if it may, and what Go says if it may not; nothing: the number may end there
    "neg": ({**dict.fromkeys(b"123456789", "whole"), 0x30: "zero"}, "in numeric literal"),
    "zero": ({0x2E: "dot", 0x65: "e", 0x45: "e"}, ""),
    "whole": ({**dict.fromkeys(_DIGITS, "whole"), 0x2E: "dot", 0x65: "e", 0x45: "e"}, ""),
    "dot": (dict.fromkeys(_DIGITS, "part"), "after decimal point in numeric literal"),
    "part": ({**dict.fromkeys(_DIGITS, "part"), 0x65: "e", 0x45: "e"}, ""),
    "e": ({**dict.fromkeys(_DIGITS, "power"), 0x2B: "sign", 0x2D: "sign"}, "in exponent of numeric literal"),
    "sign": (dict.fromkeys(_DIGITS, "power"), "in exponent of numeric literal"),
    "power": (dict.fromkeys(_DIGITS, "power"), ""),
}


class BadJson(BadRequest):
    """What has come is not the JSON that was expected; the message is Go's."""

    code = "bad_json"


class JsonTooLarge(Refused):
    """There is more than anybody who means well sends."""

    code = "json_too_large"


class Hearer(Protocol):
    """Who is told what there is."""

    def opens(self, kind: str) -> None:
        """An "object" or an "array" begins."""

    def closes(self) -> None:
        """It ends."""

    def begins_text(self, is_key: bool) -> bool:
        """A string begins: whether its text is wanted."""

    def text(self, piece: bytes) -> None:
        """Some of it, as UTF-8. Bytes that are none, and halves of pairs, are U+FFFD each, as with Go."""

    def ends_text(self) -> None:
        """It ends."""

    def scalar(self, written: bytes) -> None:
        """A number, true, false or null, as it was written."""


def _one_each(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error("sjs.one_each", _one_each)
_Utf8 = codecs.getincrementaldecoder("utf-8")


class Scanner:
    """Reads one JSON value; what comes behind it is not looked at. `most`: bytes outside of strings."""

    def __init__(self, hearer: Hearer, most: int) -> None:
        self.is_done = False
        self._hearer = hearer
        self._left = most
        self._held = b""
        self._open = bytearray()
        self._step: Callable[[bytes, int], int] = self._value
        self._has_begun = False
        self._may_close = False
        self._is_key = False
        self._is_wanted = False
        self._text = _Text()
        self._written = bytearray()
        self._number = ""
        self._literal = b""

    def feed(self, data: bytes) -> None:
        """What has come next. BadJson as soon as no JSON can begin like that."""
        view = memoryview(data)
        for at in range(0, len(view), SLICE):
            if self.is_done:
                return
            piece = self._held + bytes(view[at : at + SLICE])
            self._held = b""
            self._take(piece)

    def close(self) -> None:
        """Nothing more comes."""
        if not self.is_done and self._step == self._in_number and not self._open and not _NUMBER[self._number][1]:
            self._end_scalar()
        if not self.is_done:
            raise BadJson("unexpected EOF" if self._has_begun else "EOF")

    def _take(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self.is_done:
            is_text = self._step == self._in_text
            before, at = at, self._step(data, at)
            if not is_text:
                self._left -= at - before
                if self._left < 0:
                    raise JsonTooLarge("the request says too much besides its one long string")

    def _skip(self, data: bytes, at: int) -> int:
        found = _SPACE.match(data, at)
        assert found is not None
        return found.end()

    def _value(self, data: bytes, at: int) -> int:
        at = self._skip(data, at)
        if at == len(data):
            return at
        byte = data[at]
        self._has_begun = True
        if byte == 0x5D and self._may_close:  # ]
            self._end_bracket()
        elif byte in b"{[":
            self._begin_bracket(byte)
        elif byte == 0x22:
            self._begin_text(is_key=False)
        elif byte in b"-0123456789":
            self._number = "neg" if byte == 0x2D else "zero" if byte == 0x30 else "whole"
            self._written[:] = data[at : at + 1]
            self._step = self._in_number
        elif byte in _LITERALS:
            self._literal = _LITERALS[byte]
            self._written[:] = data[at : at + 1]
            self._step = self._in_literal
        else:
            raise _unexpected(byte, "looking for beginning of value")
        return at + 1

    def _key(self, data: bytes, at: int) -> int:
        at = self._skip(data, at)
        if at == len(data):
            return at
        if data[at] == 0x7D and self._may_close:  # }
            self._end_bracket()
        elif data[at] == 0x22:
            self._begin_text(is_key=True)
        else:
            raise _unexpected(data[at], "looking for beginning of object key string")
        return at + 1

    def _colon(self, data: bytes, at: int) -> int:
        at = self._skip(data, at)
        if at == len(data):
            return at
        if data[at] != 0x3A:
            raise _unexpected(data[at], "after object key")
        self._may_close = False
        self._step = self._value
        return at + 1

    def _more(self, data: bytes, at: int) -> int:
        at = self._skip(data, at)
        if at == len(data):
            return at
        is_object = self._open[-1] == 0x7B
        if data[at] == 0x2C:
            self._may_close = False
            self._step = self._key if is_object else self._value
        elif data[at] == (0x7D if is_object else 0x5D):
            self._end_bracket()
        else:
            raise _unexpected(data[at], "after object key:value pair" if is_object else "after array element")
        return at + 1

    def _in_number(self, data: bytes, at: int) -> int:
        follows, said = _NUMBER[self._number]
        step = follows.get(data[at])
        if step is not None:
            self._number = step
            self._written.append(data[at])
            return at + 1
        if said:
            raise _unexpected(data[at], said)
        self._end_scalar()
        return at

    def _in_literal(self, data: bytes, at: int) -> int:
        expected = self._literal[len(self._written)]
        if data[at] != expected:
            said = f"in literal {self._literal.decode()} (expecting {_quoted(expected)})"
            raise _unexpected(data[at], said)
        self._written.append(expected)
        if len(self._written) == len(self._literal):
            self._end_scalar()
        return at + 1

    def _in_text(self, data: bytes, at: int) -> int:
        end = data.find(b'"', at)
        end = len(data) if end < 0 else end
        plain = _plain(data[at:end]) if self._text.is_between else None
        if plain is None:
            run = _RUN.match(data, at)
            assert run is not None
            end = run.end()
        if self._is_wanted and end > at:
            self._pass_on(self._text.take(data[at:end]) if plain is None else plain)
        if end == len(data):
            return end
        if data[end] == 0x22:
            self._end_text()
            return end + 1
        if data[end] != 0x5C:
            raise _unexpected(data[end], "in string literal")
        if _BEGUN.fullmatch(data, end):
            self._held = data[end:]
            return len(data)
        raise _bad_escape(data[end + 1 : end + 6])

    def _begin_bracket(self, byte: int) -> None:
        if len(self._open) == DEPTH:
            raise _unexpected(byte, "exceeded max depth")
        self._open.append(byte)
        self._may_close = True
        self._step = self._key if byte == 0x7B else self._value
        self._hearer.opens("object" if byte == 0x7B else "array")

    def _end_bracket(self) -> None:
        self._open.pop()
        self._hearer.closes()
        self._end_value()

    def _begin_text(self, is_key: bool) -> None:
        self._is_key = is_key
        self._step = self._in_text
        self._is_wanted = self._hearer.begins_text(is_key)

    def _pass_on(self, piece: bytes) -> None:
        if piece:
            self._hearer.text(piece)

    def _end_text(self) -> None:
        if self._is_wanted:
            self._pass_on(self._text.rest())
        self._hearer.ends_text()
        if self._is_key:
            self._step = self._colon
        else:
            self._end_value()

    def _end_scalar(self) -> None:
        self._hearer.scalar(bytes(self._written))
        self._end_value()

    def _end_value(self) -> None:
        self._step = self._more
        self.is_done = not self._open


class _Text:
    """What a string means, of which pieces come that end between two escapes, but maybe within a letter."""

    def __init__(self) -> None:
        self._utf8 = _Utf8("sjs.one_each")
        self._high = ""
        self.is_between = True

    def take(self, piece: bytes) -> bytes:
        return self._said(self._utf8.decode(piece), is_last=False)

    def rest(self) -> bytes:
        return self._said(self._utf8.decode(b"", True), is_last=True)

    def _said(self, text: str, is_last: bool) -> bytes:
        if "\\" in text:
            text = scanstring(text + '"', 0, True)[0]
        if self._high and text[:1] and "\udc00" <= text[0] <= "\udfff":
            text = (self._high + text[0]).encode("utf-16", "surrogatepass").decode("utf-16") + text[1:]
        else:
            text = self._high + text
        self._high = ""
        if not is_last and text and "\ud800" <= text[-1] <= "\udbff":
            text, self._high = text[:-1], text[-1]
        self.is_between = is_last or not (self._high or self._utf8.getstate()[0])
        return _LONE.sub("\ufffd", text).encode()


def _plain(piece: bytes) -> bytes | None:
    """What it means, if that is soon found: ASCII, and of escapes those which base64 needs. It is what the huge string
    is made of, and several times as fast as looking at each escape."""
    if not piece.isascii() or len(piece.translate(None, _CONTROLS)) < len(piece):
        return None
    escapes = piece.count(b"\\")
    if not escapes:
        return piece
    if escapes > sum(map(piece.count, (b"\\n", b"\\r", b"\\/"))):
        return None
    return piece.replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\\/", b"/")


def _bad_escape(behind: bytes) -> BadJson:
    """The error for what follows a backslash, in which something is wrong."""
    if behind[0] != 0x75:
        return _unexpected(behind[0], "in string escape code")
    wrong = next(byte for byte in behind[1:] if byte not in b"0123456789abcdefABCDEF")
    return _unexpected(wrong, "in \\u hexadecimal character escape")


def _unexpected(byte: int, where: str) -> BadJson:
    return BadJson(f"invalid character {_quoted(byte)} {where}")


def _quoted(byte: int) -> str:
    """A byte as Go shows it: as the letter of that number."""
    letter = chr(byte)
    if letter in _SHORT or letter.isprintable():
        return f"'{_SHORT.get(letter, letter)}'"
    return f"'\\x{byte:02x}'" if byte < 0x80 else f"'\\u{byte:04x}'"
