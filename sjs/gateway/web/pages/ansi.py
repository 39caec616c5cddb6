"""What a job has printed, as a page can show it: lines of text with classes for colours, and nothing else. Of what
terminals obey, colours and weights are understood, the way back to the beginning of a line and over a letter; all
else, titles, links, movements, replies, is dropped. Pure, and never behind by more than one line, however long
something that is none goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sjs.values import dataclass

MOST_BYTES = 4_096
"""Of a line; one that is longer goes on in the next one."""

MOST_PARTS = 400
"""Of a line that differ in how they look; the same."""

_MOST_PENDING = 256
"""Bytes of a sequence whose end has not come; then it is none."""

_MARKS = {1: "bold", 2: "faint", 3: "italic", 4: "under", 7: "inverse", 9: "struck", 21: "under"}
_ENDS = {22: ("bold", "faint"), 23: ("italic",), 24: ("under",), 27: ("inverse",), 29: ("struck",)}
_CODES = {"bold": 1, "faint": 2, "italic": 3, "under": 4, "inverse": 7, "struck": 9}

_SIXTEEN = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)
_LEVELS = (0, 95, 135, 175, 215, 255)

_TOKEN = re.compile(
    rb"""
      (?P<text>(?:[\t\x20-\x7e]+|\xc2[\xa0-\xbf]|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+)
    | (?P<end>\n) | (?P<back>\r) | (?P<over>\x08)
    | (?:\x1b\[|\xc2\x9b)(?P<with>[\x30-\x3f]*)[\x20-\x2f]*(?P<do>[\x40-\x7e])
    | (?P<string>\x1b[\]PX^_]|\xc2[\x90\x98\x9d\x9e\x9f])
    | (?P<part>(?:\x1b(?:\[[\x30-\x3f]*)?[\x20-\x2f]*
        | \xc2(?:\x9b[\x30-\x3f]*[\x20-\x2f]*)?
        | [\xc3-\xdf] | [\xe0-\xef][\x80-\xbf]? | [\xf0-\xf4][\x80-\xbf]{0,2})\Z)
    | (?:\x1b\[|\xc2\x9b)[\x30-\x3f]*[\x20-\x2f]*
    | \x1b[\x20-\x2f]*[\x30-\x7e]?
    | \xc2[\x80-\x9f]
    | (?P<broken>[\x80-\xff])
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

Part = tuple[str, str]
"""Some text, and the classes by which it is shown."""

Line = Sequence[Part]


@dataclass(frozen=True)
class Style:
    """How what follows looks: one of sixteen colours before another one, and marks."""

    front: int | None = None
    ground: int | None = None
    marks: tuple[str, ...] = ()

    @property
    def classes(self) -> str:
        front = () if self.front is None else (f"f{self.front}",)
        ground = () if self.ground is None else (f"g{self.ground}",)
        return " ".join((*front, *ground, *self.marks))

    @property
    def code(self) -> str:
        """What a job prints to have it."""
        codes = [_CODES[one] for one in self.marks]
        for colour, base in ((self.front, 30), (self.ground, 40)):
            if colour is not None:
                codes.append(base + colour if colour < 8 else base + 52 + colour)
        return ";".join(map(str, codes))


PLAIN = Style()


@dataclass(frozen=True)
class Place:
    """The beginning of a line: its offset in the bytes, and how it begins."""

    offset: int = 0
    style: Style = PLAIN

    @property
    def text(self) -> str:
        return f"{self.offset};{self.style.code}".rstrip(";")


def place_of(text: str) -> Place | None:
    """The place that was written so; None for what is none."""
    if not re.fullmatch(r"\d{1,18}(;\d{1,3}){0,9}", text, re.ASCII):
        return None
    offset, _, code = text.partition(";")
    return Place(int(offset), styled(PLAIN, code.encode()) if code else PLAIN)


class Lines:
    """Fed with bytes, piece by piece, from a place on."""

    def __init__(self, place: Place | None = None) -> None:
        place = place or Place()
        self._at = place.offset
        self._begin = place
        self._style = place.style
        self._parts: list[tuple[bytearray, Style]] = []
        self._bytes = 0
        self._is_back = False
        self._in_string = False
        self._pending = b""

    @property
    def open(self) -> Line:
        """The line whose end has not come, as far as it is there."""
        return [(bytes(data).decode("utf-8", "replace"), style.classes) for data, style in self._parts if data]

    @property
    def place(self) -> Place:
        """Where that begins: who goes on there sees all that comes after the lines that were told."""
        return self._begin

    def feed(self, data: bytes) -> list[Line]:
        """The lines that have ended with this."""
        ended: list[Line] = []
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
            elif what in ("text", "broken"):
                self._add(token[0], start + at, ended)
            elif what == "end":
                self._end(start + token.end(), ended)
            elif what == "back":
                self._is_back = True
            elif what == "over":
                self._over()
            elif what == "string":
                self._in_string = True
            elif what == "do":
                self._do(token["do"], token["with"], start + token.end())
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

    def _do(self, what: bytes, said: bytes, after: int) -> None:
        if what == b"m":
            self._style = styled(self._style, said)
        elif what == b"K" and (self._is_back or said[:1] in (b"1", b"2")):
            self._clear(after)

    def _add(self, text: bytes, offset: int, ended: list[Line]) -> None:
        if self._is_back:
            self._clear(offset)
        at = 0
        while at < len(text):
            room = MOST_BYTES - self._bytes
            piece = text[at:] if len(text) - at <= room else _whole(text[at : at + room])
            is_another = not self._parts or self._parts[-1][1] != self._style
            if not piece or (is_another and len(self._parts) == MOST_PARTS):
                self._end(offset + at, ended)
                continue
            if is_another:
                self._parts.append((bytearray(), self._style))
            self._parts[-1][0].extend(piece)
            self._bytes += len(piece)
            at += len(piece)

    def _end(self, after: int, ended: list[Line]) -> None:
        ended.append(self.open)
        self._clear(after)

    def _clear(self, begin: int) -> None:
        self._parts, self._bytes, self._is_back = [], 0, False
        self._begin = Place(begin, self._style)

    def _over(self) -> None:
        if self._is_back or not self._parts:
            return
        data, _ = self._parts[-1]
        before = len(data)
        while data and data[-1] & 0xC0 == 0x80:
            data.pop()
        if data:
            data.pop()
        self._bytes -= before - len(data)
        if not data:
            self._parts.pop()


def _whole(data: bytes) -> bytes:
    """Without the beginning of a letter at its end."""
    end = len(data)
    while end and data[end - 1] & 0xC0 == 0x80:
        end -= 1
    letter = data[end - 1 :] if end else b""
    length = 1 + sum(letter[:1] >= low for low in (b"\xc0", b"\xe0", b"\xf0"))
    return data if len(letter) >= length else data[: end - 1]


def styled(style: Style, said: bytes) -> Style:
    """How it looks after CSI … m with these numbers."""
    if not re.fullmatch(rb"[\d;:]{0,64}", said):
        return style
    codes = [int(one or 0) for one in re.split(rb"[;:]", said)]
    front, ground, marks = style.front, style.ground, style.marks
    while codes:
        code = codes.pop(0)
        if code == 0:
            front, ground, marks = None, None, ()
        elif code in _MARKS:
            marks = tuple(sorted({*marks, _MARKS[code]}))
        elif code in _ENDS:
            marks = tuple(one for one in marks if one not in _ENDS[code])
        elif 30 <= code % 60 <= 37 and code < 100:
            front = code % 60 - 30 + (8 if code >= 90 else 0)
        elif 40 <= code % 60 <= 47 and code < 110:
            ground = code % 60 - 40 + (8 if code >= 100 else 0)
        elif code == 38:
            front = _colour(codes)
        elif code == 48:
            ground = _colour(codes)
        elif code == 39:
            front = None
        elif code == 49:
            ground = None
    return Style(front, ground, marks)


def _colour(codes: list[int]) -> int | None:
    """One of 256, or of all: the nearest of sixteen. What it was said with is taken from the codes."""
    kind = codes.pop(0) if codes else 0
    count = {5: 1, 2: 3}.get(kind, 0)
    said = [min(one, 255) for one in codes[:count]]
    del codes[:count]
    if not count or len(said) < count:
        return None
    if count == 1:
        number = said[0]
        if number < 16:
            return number
        grey = 8 + 10 * (number - 232)
        cube = number - 16
        said = [grey] * 3 if number >= 232 else [_LEVELS[cube // 36], _LEVELS[cube // 6 % 6], _LEVELS[cube % 6]]
    return min(range(16), key=lambda one: sum((a - b) ** 2 for a, b in zip(_SIXTEEN[one], said, strict=True)))
