r"""Patterns of which none takes long: what a value must look like as a whole.

They read as Python's, but look at all possible ways through them at once, so that `(a+)+b` costs no more than `a+b`:
letters, `.`, `[a-z]`, `[^a]`, `\d \w \s` (of ASCII) and their capitals, `( )`, `(?: )`, `|`, `* + ? {2} {2,} {2,5}`;
`^` at the beginning and `$` at the end, where they say what holds anyway. What would have to look back or ahead is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from sjs.values import dataclass, field

MOST_LETTERS = 500
MOST_PLACES = 1_000
MOST_DEPTH = 30
_LAST = "\U0010ffff"

Ranges = tuple[tuple[str, str], ...]

_CLASSES: dict[str, Ranges] = {
    "d": (("0", "9"),),
    "w": (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z")),
    "s": (("\t", "\r"), (" ", " ")),
}
_OTHERS = ("D", "W", "S")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})")
_TIMES = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}", re.ASCII)
_SIGNS = frozenset("*+?{}|()[].^$\\")


@dataclass(frozen=True)
class Letters:
    """One letter out of these ranges, or out of all others."""

    ranges: Ranges
    is_negated: bool = False

    def has(self, letter: str) -> bool:
        return any(low <= letter <= high for low, high in self.ranges) is not self.is_negated


@dataclass(frozen=True)
class Row:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Times:
    part: Node
    low: int
    high: int | None


Node = Letters | Row | Either | Times


@dataclass(frozen=True)
class Pattern:
    """`portable`: the same in the words that JSON Schema's readers agree about."""

    text: str
    portable: str
    fits: Callable[[str], bool] = field(repr=False, compare=False)


def pattern(text: str) -> Pattern:
    """The pattern that was meant; ValueError says what is wrong."""
    if len(text) > MOST_LETTERS:
        raise ValueError(f"a pattern has at most {MOST_LETTERS} letters")
    node = _Reader(text).read()
    if _size(node) > MOST_PLACES:
        raise ValueError(f"it repeats too much: written out it has more than {MOST_PLACES} letters")
    return Pattern(text, _portable(node), _Machine(node).fits)


class _Reader:
    """From text to nodes."""

    def __init__(self, text: str) -> None:
        end = len(text) - 1 if text.endswith("$") and not _is_escaped(text) else len(text)
        self.text = text[:end]
        self.at = 1 if text.startswith("^") else 0
        self.depth = 0

    def read(self) -> Node:
        node = self.either()
        if self.at < len(self.text):
            raise ValueError("')' closes nothing; put \\ before it")
        return node

    def either(self) -> Node:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise ValueError(f"its groups lie more than {MOST_DEPTH} deep")
        parts = [self.row()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.row())
        self.depth -= 1
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def row(self) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom()))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def repeated(self, node: Node) -> Node:
        sign = self.peek()
        if sign not in ("*", "+", "?", "{"):
            return node
        if sign == "{":
            low, high = self.times()
        else:
            self.at += 1
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if self.peek() in ("*", "+", "?", "{"):
            raise ValueError(f"'{self.peek()}' after '{sign}' is not understood")
        return Times(node, low, high)

    def times(self) -> tuple[int, int | None]:
        match = _TIMES.match(self.text, self.at)
        if match is None:
            raise ValueError("'{' is to say how often, as {2}, {2,} or {2,5}; else put \\ before it")
        self.at = match.end()
        low = int(match[1])
        high = low if match[2] is None else None if match[3] is None else int(match[3])
        if high is not None and high < low:
            raise ValueError(f"{match[0]}: the lower number comes first")
        return low, high

    def atom(self) -> Node:
        letter = self.take()
        if letter == "(":
            return self.group()
        if letter == "[":
            return self.letters()
        if letter == ".":
            return Letters(_one("\n"), is_negated=True)
        if letter == "\\":
            return Letters(_CLASSES[self.take().lower()], True) if self.peek() in _OTHERS else Letters(self.escape())
        if letter in _SIGNS:
            raise ValueError(
                f"'{letter}' is not understood where it stands; put \\ before it if it is meant as a letter"
            )
        return Letters(((letter, letter),))

    def group(self) -> Node:
        if self.peek() == "?":
            if self.text[self.at : self.at + 2] != "?:":
                raise ValueError("groups that begin with (? are not understood, but for (?:")
            self.at += 2
        node = self.either()
        if self.peek() != ")":
            raise ValueError("'(' is not closed")
        self.at += 1
        return node

    def letters(self) -> Node:
        is_negated = self.peek() == "^"
        self.at += is_negated
        if self.peek() == "]":
            raise ValueError("[] has no letters; put \\ before a ] in it")
        found: list[tuple[str, str]] = []
        while self.peek() != "]":
            found += self.span()
        self.at += 1
        return Letters(tuple(found), is_negated)

    def span(self) -> Ranges:
        first = self.member()
        is_range = self.peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", "")
        if not is_range:
            return first
        self.at += 1
        last = self.member()
        if not (_is_one(first) and _is_one(last)) or first[0][0] > last[0][0]:
            raise ValueError("a range in [] goes from one letter to a later one, as a-z")
        return ((first[0][0], last[0][0]),)

    def member(self) -> Ranges:
        letter = self.take("'[' is not closed")
        if letter == "[":
            raise ValueError("[ in [] is not understood; put \\ before it")
        return self.escape() if letter == "\\" else ((letter, letter),)

    def escape(self) -> Ranges:
        code = _CODE.match(self.text, self.at)
        if code is not None:
            self.at = code.end()
            return _one(chr(int(code[1] or code[2], 16)))
        letter = self.take("\\ stands before nothing")
        if letter.lower() in _CLASSES:
            ranges = _CLASSES[letter.lower()]
            return ranges if letter.islower() else _others(ranges)
        if letter in _ESCAPES:
            return _one(_ESCAPES[letter])
        if letter.isalnum() or not letter.isascii():
            raise ValueError(f"\\{letter} is not understood")
        return _one(letter)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, otherwise: str = "it ends too early") -> str:
        letter = self.peek()
        if not letter:
            raise ValueError(otherwise)
        self.at += 1
        return letter


class _Machine:
    """All ways through a pattern at once (Glushkov): its letters are places, sets of them the bits of a number. What
    may come after a place is known before; a letter of the value keeps those of them that take it."""

    def __init__(self, node: Node) -> None:
        self.places: list[Letters] = []
        self.follow: list[int] = []
        self.is_optional, self.first, self.last = self.add(node)

    def add(self, node: Node) -> tuple[bool, int, int]:
        """Whether nothing fits it, where it begins, where it ends."""
        if isinstance(node, Letters):
            self.places.append(node)
            self.follow.append(0)
            bit = 1 << len(self.places) - 1
            return False, bit, bit
        if isinstance(node, Row):
            return self.chain([partial(self.add, part) for part in node.parts])
        if isinstance(node, Either):
            ends = [self.add(part) for part in node.parts]
            return any(end[0] for end in ends), _union(end[1] for end in ends), _union(end[2] for end in ends)
        return self.chain(self.copies(node))

    def copies(self, node: Times) -> list[Callable[[], tuple[bool, int, int]]]:
        def optional() -> tuple[bool, int, int]:
            return True, *self.add(node.part)[1:]

        def endless() -> tuple[bool, int, int]:
            is_optional, first, last = self.add(node.part)
            self.link(last, first)
            return is_optional or node.low == 0, first, last

        if node.high is None:
            return [partial(self.add, node.part)] * (node.low - 1) + [endless]
        return [partial(self.add, node.part)] * node.low + [optional] * (node.high - node.low)

    def chain(self, makers: list[Callable[[], tuple[bool, int, int]]]) -> tuple[bool, int, int]:
        is_optional, first, last = True, 0, 0
        for make in makers:
            is_optional_too, begins, ends = make()
            self.link(last, begins)
            first |= begins if is_optional else 0
            last = ends | (last if is_optional_too else 0)
            is_optional = is_optional and is_optional_too
        return is_optional, first, last

    def link(self, last: int, first: int) -> None:
        for place in _bits(last):
            self.follow[place] |= first

    def fits(self, value: str) -> bool:
        if not value:
            return self.is_optional
        takers: dict[str, int] = {}
        after: dict[int, int] = {}
        may_be = self.first
        now = 0
        for letter in value:
            if letter not in takers:
                takers[letter] = _union(1 << at for at, place in enumerate(self.places) if place.has(letter))
            now = may_be & takers[letter]
            if not now:
                return False
            if now not in after:
                after[now] = _union(self.follow[place] for place in _bits(now))
            may_be = after[now]
        return bool(now & self.last)


def _size(node: Node) -> int:
    if isinstance(node, Letters):
        return 1
    if isinstance(node, Times):
        return _size(node.part) * max(1, node.low if node.high is None else node.high)
    return sum(_size(part) for part in node.parts)


def _portable(node: Node) -> str:
    if isinstance(node, Letters):
        return _class(node)
    if isinstance(node, Times):
        high = "" if node.high is None else str(node.high)
        return f"(?:{_portable(node.part)}){{{node.low},{high}}}"
    if isinstance(node, Row):
        return "".join(_portable(part) for part in node.parts)
    return f"(?:{'|'.join(_portable(part) for part in node.parts)})"


def _class(letters: Letters) -> str:
    if _is_one(letters.ranges) and not letters.is_negated:
        return _written(letters.ranges[0][0])
    spans = (_written(low) if low == high else f"{_written(low)}-{_written(high)}" for low, high in letters.ranges)
    return f"[{'^' if letters.is_negated else ''}{''.join(spans)}]"


def _written(letter: str) -> str:
    if letter in _SIGNS or letter == "-":
        return f"\\{letter}"
    return letter if letter.isprintable() or ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"


def _others(ranges: Ranges) -> Ranges:
    """All letters but these."""
    found: list[tuple[str, str]] = []
    begin = 0
    for low, high in sorted(ranges):
        if ord(low) > begin:
            found.append((chr(begin), chr(ord(low) - 1)))
        begin = max(begin, ord(high) + 1)
    if begin <= ord(_LAST):
        found.append((chr(begin), _LAST))
    return tuple(found)


def _one(letter: str) -> Ranges:
    return ((letter, letter),)


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def _is_escaped(text: str) -> bool:
    """Whether a backslash takes the last sign for itself."""
    before = text[:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
