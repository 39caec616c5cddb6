"""How letters look that jobs print: colours, 256 of them, and weights, as classes of a stylesheet. Pure."""

from __future__ import annotations

import re
from functools import lru_cache, partial

from sjs.values import dataclass

_MARKS = {1: "bold", 2: "faint", 3: "italic", 4: "under", 7: "inverse", 9: "struck", 21: "under"}
_ENDS = {22: ("bold", "faint"), 23: ("italic",), 24: ("under",), 27: ("inverse",), 29: ("struck",)}
_CODES = {"bold": 1, "faint": 2, "italic": 3, "under": 4, "inverse": 7, "struck": 9}

Colour = tuple[int, int, int]

_LEVELS = (0, 95, 135, 175, 215, 255)
_TABLE: tuple[Colour, ...] = (
    *((red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS),
    *((grey, grey, grey) for grey in range(8, 248, 10)),
)
"""What terminals show as the colours from the sixteenth on; those before are as each likes them: style.css has ours."""

_PAPER: Colour = (0x12, 0x15, 0x1B)
_BLACK: Colour = (0, 0, 0)
_WHITE: Colour = (255, 255, 255)
_READABLE = 4.5
"""Of light to dark, at least, between letters and the paper below them."""


@dataclass(frozen=True)
class Style:
    """How what follows looks: a colour before another one, and marks."""

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
        codes = [str(_CODES[one]) for one in self.marks]
        for colour, kind in ((self.front, 38), (self.ground, 48)):
            if colour is not None:
                codes.append(f"{kind};5;{colour}")
        return ";".join(codes)


PLAIN = Style()


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
    """One of 256, or of all: the nearest of 256. What it was said with is taken from the codes."""
    kind = codes.pop(0) if codes else 0
    count = {5: 1, 2: 3}.get(kind, 0)
    said = [min(one, 255) for one in codes[:count]]
    del codes[:count]
    if not count or len(said) < count:
        return None
    return said[0] if count == 1 else _nearest((said[0], said[1], said[2]))


@lru_cache(maxsize=4_096)
def _nearest(colour: Colour) -> int:
    def far(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(_TABLE[number], colour, strict=True))

    return 16 + min(range(len(_TABLE)), key=far)


def stylesheet() -> str:
    """The rules for colours from the sixteenth on. Letters are as light as they must be to be read on the paper; on a
    ground, those that have no colour of their own are black or white."""
    rules = []
    for number, colour in enumerate(_TABLE, 16):
        ink = max(_BLACK, _WHITE, key=partial(_contrast, colour))
        front = f".f{number} {{ --f: {_hex(_readable(colour))}; }}"
        rules.append(f"{front} .g{number} {{ --g: {_hex(colour)}; --i: {_hex(ink)}; }}\n")
    return "".join(rules)


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()


def _readable(colour: Colour) -> Colour:
    """The same, with as much white as it needs."""
    red, green, blue = colour
    for white in range(256):
        mixed = tuple(one + (255 - one) * white // 255 for one in (red, green, blue))
        found = (mixed[0], mixed[1], mixed[2])
        if _contrast(found, _PAPER) >= _READABLE:
            return found
    raise AssertionError("white can be read on it")


def _contrast(one: Colour, other: Colour) -> float:
    """As WCAG has it."""
    dark, light = sorted((_light(one), _light(other)))
    return (light + 0.05) / (dark + 0.05)


def _light(colour: Colour) -> float:
    parts = [one / 255 for one in colour]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
