"""Axes: where on one a value is, from 0 to 1. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from sjs.core.metrics import Number, number
from sjs.values import dataclass, field

Value = float | str | None
"""A number, a text that is none, or nothing."""

WORDS = 12
"""Texts that have a place of their own; all others share one."""

TICKS = 6
OTHERS = "others"

TONES = 8
"""Colours, from the least to the most."""

_WIDE = 99.9
"""How many times the least the most is, where an axis may be logarithmic."""


@dataclass(frozen=True)
class Tick:
    """A line across an axis, and what stands at it."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """`low`, `high`: what is at its ends, where it has numbers; their logarithms, if `is_log`. `words`: what it has
    instead."""

    name: str
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    words: Sequence[str] = ()
    ticks: Sequence[Tick] = field(default_factory=list)

    def has(self, value: Value) -> bool:
        """Whether it has a place here."""
        if value is None or self.words:
            return value is not None
        return not isinstance(value, str) and math.isfinite(value) and not (self.is_log and value <= 0)

    def place(self, value: Value) -> float | None:
        """Where it is; None for what has no place here."""
        if value is None or not self.has(value):
            return None
        if self.words or isinstance(value, str):
            return self._between(self.words.index(text) if (text := shown(value)) in self.words else len(self.words))
        return _share(math.log10(value) if self.is_log else value, self.low, self.high)

    def tone(self, value: Value) -> int | None:
        """Which colour it has, from 0 on."""
        at = self.place(value)
        return None if at is None else min(TONES - 1, int(at * TONES))

    @property
    def least(self) -> str:
        """What is at its beginning."""
        return self.words[0] if self.words else shown(10**self.low if self.is_log else self.low)

    @property
    def most(self) -> str:
        """What is at its end."""
        return self.words[-1] if self.words else shown(10**self.high if self.is_log else self.high)

    def _between(self, at: int) -> float:
        last = len(self.words) - 1
        return 0.5 if last < 1 else min(1.0, at / last)


def value(cell: Number | str | None) -> Value:
    """What stands in a cell of a table, as it is drawn: a text that is a number is one."""
    found = number(cell) if isinstance(cell, str) else cell
    if found is None:
        return cell if isinstance(cell, str) else None
    try:
        return float(found)
    except OverflowError:
        return None


def scale(name: str, values: Iterable[Value]) -> Scale:
    """One on which all of these have a place, but for those that are none: nan and the infinities."""
    there = [one for one in values if one is not None]
    if any(isinstance(one, str) for one in there):
        return _of_words(name, there)
    numbers = sorted(one for one in there if not isinstance(one, str) and math.isfinite(one))
    if not numbers:
        return Scale(name)
    low, high = numbers[0], numbers[-1]
    if _is_log(numbers):
        low, high = math.log10(low), math.log10(high)
        return Scale(name, low, high, True, (), list(_decades(low, high)))
    return Scale(name, low, high, False, (), list(_steps(low, high)))


def shown(one: Value) -> str:
    """What stands at an axis."""
    return "-" if one is None else one if isinstance(one, str) else f"{one:.4g}"


def _of_words(name: str, there: Sequence[Value]) -> Scale:
    seen = [*dict.fromkeys(shown(one) for one in there)]
    made = Scale(name, words=seen if len(seen) <= WORDS else [*seen[: WORDS - 1], OTHERS])
    ticks = [Tick(made._between(at), word) for at, word in enumerate(made.words)]
    return Scale(name, words=made.words, ticks=ticks)


def _is_log(numbers: Sequence[float]) -> bool:
    """Half of them would be in its lowest tenth otherwise."""
    low, high = numbers[0], numbers[-1]
    return low > 0 and high / low >= _WIDE and numbers[(len(numbers) - 1) // 2] <= high / 9.9


def _share(one: float, low: float, high: float) -> float:
    width = high / 2 - low / 2  # by halves: the whole may be more than a float holds
    return min(1.0, max(0.0, (one / 2 - low / 2) / width)) if width > 0 else 0.5


def _steps(low: float, high: float) -> Iterator[Tick]:
    """Round numbers, few of them."""
    width = high / 2 - low / 2
    if not width > 0 or width < abs(low) * 1e-9 or math.log10(width) < -300:
        yield Tick(0.5 if not width > 0 else 0.0, shown(low))
        return
    rough = width / TICKS * 2
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((one * power for one in (1, 2, 5) if one * power >= rough), 10 * power)
    first = math.ceil(low / step)
    for count in range(TICKS + 2):
        at = (first + count) * step
        if at > high:
            return
        yield Tick(_share(at, low, high), shown(0.0 if abs(at) < step / 2 else at))


def _decades(low: float, high: float) -> Iterator[Tick]:
    """Powers of ten, or some of them."""
    step = max(1, math.ceil((high - low) / TICKS))
    for power in range(math.ceil(low), math.floor(high) + 1, step):
        yield Tick(_share(power, low, high), f"1e{power}" if abs(power) > 3 else shown(10.0**power))
