"""Rows in order, with their columns, and the best of them. Pure, but that rows are added as they come."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sjs.core.aims import Aim
from sjs.core.metrics import Number, number
from sjs.core.names import suggestion
from sjs.errors import UsageError
from sjs.results.rows import Row

FIXED: Mapping[str, Callable[[Row], Any]] = {
    "number": lambda row: row.number,
    "job": lambda row: f"{row.target}:{row.job}",
    "state": lambda row: row.state,
    "time": lambda row: row.seconds,
}
"""What can be sorted by besides parameters and metrics."""

SPARE = 1_000
"""Rows that are kept beyond those that are wanted, before there is a look at which are not."""


class Order(NamedTuple):
    """By what rows are sorted: the aim, or a key, the least first unless `down`; and how many are wanted of them."""

    aim: Aim | None = None
    key: str = ""
    down: bool = False
    most: int = 0

    def sorted(self, rows: Iterable[Row]) -> list[Row]:
        """The rows in order. Those without a value, or with one that is none, come last."""
        found = sorted(rows, key=_place)
        if self.key:
            values = [(sort_value(cell(row, self.key)), row) for row in found]
            there = [pair for pair in values if pair[0] is not None]
            there.sort(key=lambda pair: pair[0], reverse=self.down)  # type: ignore[arg-type,return-value]
            return [row for _, row in there] + [row for value, row in values if value is None]
        if self.aim is not None:
            found.sort(key=lambda row: cost(row, self.aim))
        return found


def _place(row: Row) -> tuple[int, str, int]:
    return row.number, row.target, row.job


def cost(row: Row, aim: Aim | None) -> tuple[bool, float]:
    """What is small for a row that is good: a job that failed is behind all others, whatever it has printed."""
    value = None if aim is None else row.metrics.get(aim.metric)
    if aim is None or value is None:
        return True, math.inf
    return not row.may_win or math.isinf(aim.cost(value)), aim.cost(value)


def cell(row: Row, name: str) -> Any:
    """What a row has in a column; None for nothing. A parameter goes before a metric of the same name."""
    if name in row.values:
        return row.values[name]
    if name in row.metrics:
        return row.metrics[name]
    return FIXED[name](row) if name in FIXED else None


def sort_value(value: Any) -> tuple[int, Number | str] | None:
    """By what a cell is sorted: numbers as such, before words."""
    said = number(value) if isinstance(value, str) else value
    if said is None:
        return None if value is None else (1, value)
    return None if math.isnan(said) else (0, said)


class Table:
    """The rows of a sweep. Of several jobs that try the same, one is shown; no more rows are kept than are
    wanted."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._rows: list[Row] = []
        self._stands: dict[int, tuple[int, float, str, int]] = {}
        self.seen = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows, in any order."""
        for row in rows:
            self.seen += 1
            known = self._stands.get(row.setting)
            if known is None or row.standing < known:
                self._stands[row.setting] = row.standing
                self._rows.append(row)
        if self._order.most and len(self._rows) > 2 * self._order.most + SPARE:
            best = self.best
            kept = self.rows
            self._rows = kept if best is None or best in kept else [*kept, best]

    @property
    def rows(self) -> list[Row]:
        """Those that are wanted, in order."""
        found = self._order.sorted(self._standing())
        return found[: self._order.most] if self._order.most else found

    @property
    def best(self) -> Row | None:
        """The best by the aim; None where nobody has a result."""
        if self._order.aim is None:
            return None
        ranked = [(*cost(row, self._order.aim), row.number, row.target, row.job, row) for row in self._standing()]
        first = min(ranked, key=lambda one: one[:-1], default=None)
        return None if first is None or first[0] else first[-1]

    def _standing(self) -> list[Row]:
        return [row for row in self._rows if self._stands[row.setting] == row.standing]


class Columns(NamedTuple):
    """The names of parameters, and of metrics that are no parameters."""

    parameters: Sequence[str]
    metrics: Sequence[str]

    def chosen(self, names: Sequence[str]) -> Sequence[str]:
        """These, or all; UsageError for one that there is not."""
        known = [*self.parameters, *self.metrics]
        for name in names:
            if name not in known:
                hint = f"there are {', '.join(known)}" if known else "no job has printed anything yet"
                raise UsageError(f"there is no column '{name}'{suggestion(name, known)}", hint)
        return names or known


def columns(rows: Iterable[Row]) -> Columns:
    """The columns of rows, in the order in which the sweep's settings name them, whoever came first."""
    parameters: dict[str, None] = {}
    metrics: dict[str, None] = {}
    ordered = sorted(rows, key=_place)
    for names in dict.fromkeys(tuple(row.values) for row in ordered):  # most rows have the same names
        parameters.update(dict.fromkeys(names))
    for names in dict.fromkeys(tuple(row.metrics) for row in ordered):
        metrics.update(dict.fromkeys(names))
    return Columns([*parameters], [name for name in metrics if name not in parameters])


def shown(value: Number | None) -> str:
    """A number as a person reads it."""
    if value is None:
        return "-"
    text = str(value)
    return text if len(text) <= 8 else f"{value:.6g}"


def best_line(row: Row, aim: Aim) -> str:
    """Which one is the best, in words that name it."""
    setting = " ".join(f"{name}={value}" for name, value in row.values.items())
    found = f"{aim.metric}={shown(row.metrics[aim.metric])}"
    return "  ".join(part for part in (f"{row.target}:{row.job}", setting, found) if part)
