"""What a row of the bench finds: figures that were taken in turns, their ratios, and what they were to be."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REACHED, MISSED = "reached", "missed"


class Lacking(Exception):
    """What a row cannot be measured without is not here."""


@dataclass(frozen=True)
class Goal:
    """What a figure is to be at most, or at least."""

    limit: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Figure:
    """So many values of one kind. Its median is judged, where there is a goal."""

    what: str
    unit: str
    median: float
    lowest: float
    highest: float
    count: int
    goal: Goal | None = None

    @classmethod
    def of(cls, what: str, unit: str, values: Sequence[float], goal: Goal | None = None) -> Figure:
        return cls(what, unit, statistics.median(values), min(values), max(values), len(values), goal)

    @property
    def verdict(self) -> str:
        """Empty when nobody judges it."""
        if self.goal is None:
            return ""
        return REACHED if self.goal.is_met(self.median) else MISSED


@dataclass
class Found:
    """All that a row found, and what is to be said of it."""

    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, unit: str, values: Sequence[float], goal: Goal | None = None) -> None:
        self.figures.append(Figure.of(what, unit, values, goal))

    def add_ratio(self, what: str, ours: Sequence[float], theirs: Sequence[float], goal: Goal | None = None) -> None:
        """Of the values of each round, which met the same weather."""
        self.add(what, "×", [one / other for one, other in zip(ours, theirs, strict=True)], goal)


@dataclass(frozen=True)
class Effort:
    """How much of it is done. `beside`: other checkouts that are measured, too."""

    quick: bool = False
    beside: Sequence[Path] = ()

    def of(self, full: int, quick: int) -> int:
        """A number in the full form and in the quick one."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Row:
    """Something that is measured by itself."""

    name: str
    title: str
    measure: Callable[[Effort], Found]


def in_turns(runners: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each of them finds. All have a turn in each round, so that what else the machine does meets all alike."""
    found: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            found[name].append(run())
    return found


def best_of(*series: Sequence[float]) -> list[float]:
    """The lowest of each round."""
    return [min(values) for values in zip(*series, strict=True)]


def part(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
