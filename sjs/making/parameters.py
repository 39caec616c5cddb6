"""A parameter and the values it takes: `0.1 0.01`, or a range: `log:1e-4..1e-1:8`, `int:1..10`, `uniform:0..1:5`,
`choice:a,b,c`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sjs.values import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_RANGE = re.compile(r"(.+?)\.\.(.+?)(?::([0-9]{1,15}))?", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)


class Values(Protocol):
    """The values of one parameter. `size`: how many there are, None where there are too many to count."""

    @property
    def size(self) -> int | None: ...

    def at(self, index: int) -> str:
        """One of them; not where they cannot be counted."""
        ...

    def drawn(self, fraction: float) -> str:
        """One of them, by a number from 0 to below 1."""
        ...


@dataclass(frozen=True)
class Listed:
    """These, as they were typed."""

    texts: Sequence[str]

    @property
    def size(self) -> int:
        return len(self.texts)

    def at(self, index: int) -> str:
        return self.texts[index]

    def drawn(self, fraction: float) -> str:
        return self.at(int(fraction * self.size))


@dataclass(frozen=True)
class Whole:
    """Whole numbers, `size` of them, evenly from the first to the last."""

    low: int
    high: int
    size: int

    def at(self, index: int) -> str:
        steps = max(1, self.size - 1)
        return str(self.low + (2 * index * (self.high - self.low) + steps) // (2 * steps))

    def drawn(self, fraction: float) -> str:
        return self.at(int(fraction * self.size))


@dataclass(frozen=True)
class Between:
    """Numbers from one to another, evenly, or by equal factors; `size` of them, or any."""

    low: float
    high: float
    size: int | None
    by_factors: bool = False

    def at(self, index: int) -> str:
        assert self.size is not None, "there is no end of them"
        return self._on_the_way(index / max(1, self.size - 1))

    def drawn(self, fraction: float) -> str:
        return self._on_the_way(fraction) if self.size is None else self.at(int(fraction * self.size))

    def _on_the_way(self, part: float) -> str:
        if part in (0, 1):
            found = self.high if part else self.low
        elif self.by_factors:
            found = math.exp(math.log(self.low) * (1 - part) + math.log(self.high) * part)
        else:
            found = self.low * (1 - part) + self.high * part
        return f"{found:.12g}"


@dataclass(frozen=True)
class Parameter:
    """A name, and what it may be. As a source of settings it is a column of its own."""

    name: str
    values: Values
    words: Sequence[str]
    """As they were typed."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def count(self) -> int | None:
        return self.values.size

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        assert self.values.size is not None, "there is no end of them"
        return ((self.values.at(index),) for index in range(self.values.size))

    def said(self) -> Iterator[bytes]:
        """What makes it this one and no other."""
        return (word.encode("utf-8", "surrogateescape") for word in (self.name, *self.words))


def parameter(name: str, words: Sequence[str]) -> Parameter:
    """The parameter that was meant; ValueError says what is wrong."""
    _check_name(name)
    if not words:
        raise ValueError(f"{name} has no values; write it as -p {name} 0.1 0.01")
    kinds = [kind for kind, colon, _ in (word.partition(":") for word in words) if colon and kind in _KINDS]
    if kinds and len(words) > 1:
        raise ValueError(f"{name}: a range goes alone; {kinds[0]}:… is one, and choice:a,b takes any texts")
    return Parameter(name, _read(name, words[0]) if kinds else Listed(tuple(words)), tuple(words))


def listed(name: str, texts: Sequence[str]) -> Parameter:
    """One whose values are these and nothing else, though one may look like a range. ValueError for its name."""
    _check_name(name)
    return Parameter(name, Listed(tuple(texts)), tuple(texts))


def assigned(word: str) -> tuple[str, list[str]]:
    """`lr=0.1,0.01` as its name and values."""
    name, _, text = word.partition("=")
    return name, [text] if text.partition(":")[0] in _KINDS and ":" in text else text.split(",")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{name:.100}' can be no name of a parameter; letters, digits and _ . - may be in it")


def _read(name: str, word: str) -> Values:
    kind, _, text = word.partition(":")
    try:
        return _KINDS[kind](text)
    except ValueError as error:
        raise ValueError(f"{name}: '{word}': {error}") from None


def _choice(text: str) -> Values:
    return Listed(tuple(text.split(",")))


def _whole(text: str) -> Values:
    low, high, count = _ends(text, "int:1..10 or int:1..10:4")
    if not (_WHOLE.fullmatch(low) and _WHOLE.fullmatch(high)):
        raise ValueError("int: takes whole numbers")
    first, last = int(low), int(high)
    most = abs(last - first) + 1
    return Whole(first, last, most if count is None else min(count, most))


def _uniform(text: str) -> Values:
    low, high, count = _ends(text, "uniform:0..1:5")
    return Between(_number(low), _number(high), count)


def _log(text: str) -> Values:
    low, high, count = _ends(text, "log:1e-4..1e-1:8")
    first, last = _number(low), _number(high)
    if not (first > 0 and last > 0):
        raise ValueError("log: goes from one number above 0 to another")
    return Between(first, last, count, by_factors=True)


def _ends(text: str, example: str) -> tuple[str, str, int | None]:
    match = _RANGE.fullmatch(text)
    if match is None or match[3] and not int(match[3]):
        raise ValueError(f"write it as {example}")
    return match[1], match[2], int(match[3]) if match[3] else None


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"'{text}' is no number")
    return found


_KINDS: dict[str, Callable[[str], Values]] = {"choice": _choice, "int": _whole, "log": _log, "uniform": _uniform}
