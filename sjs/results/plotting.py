"""What a drawing of a sweep shows: the parameters that vary, how their values lie, and the metric. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from sjs.core.aims import Aim
from sjs.core.metrics import number
from sjs.errors import UnknownJob
from sjs.results.rows import Row
from sjs.results.table import Columns, cost

FEW = 10
"""Different values that are all named along an axis."""

WIDE = 4.0
"""How many times the least of a metric its most is at least, where it is drawn by its logarithm, …"""

LOW = 0.25
"""… and how low the one in the middle lies then: a few that are far off would hide how the others differ."""


class Axis(NamedTuple):
    """How a parameter lies: by number, or each of its `words` at its own place, from 0 on."""

    name: str
    is_log: bool
    low: float
    high: float
    words: Sequence[str] = ()
    ticks: Sequence[float] = ()

    def place(self, value: str) -> float:
        """Where a value lies."""
        return float(self.words.index(value)) if self.words else _float(value)

    def share(self, value: float) -> float:
        """How far up the axis that is, from 0 to 1."""
        low, high, at = (math.log(one) if self.is_log else one for one in (self.low, self.high, value))
        return 0.5 if high == low else (at - low) / (high - low)


class Point(NamedTuple):
    """One job: its place on each axis, its metric, whether it is the best."""

    row: Row
    at: Sequence[float]
    value: float
    is_best: bool


class Plot(NamedTuple):
    """What is drawn, the worst first. `left_out`: how many jobs have no such number."""

    aim: Aim
    axes: Sequence[Axis]
    result: Axis
    points: Sequence[Point]
    left_out: int

    @property
    def best(self) -> Point:
        """The last one drawn."""
        return self.points[-1]


def plot(rows: Sequence[Row], there: Columns, aim: Aim) -> Plot:
    """The drawing of these rows; UnknownJob where there is nothing to be drawn."""
    costs = {id(row): cost(row, aim) for row in rows}
    found = [row for row in rows if aim.metric in row.metrics and math.isfinite(row.metrics[aim.metric])]
    if not found:
        raise UnknownJob(f"nothing to draw: no job has a number as its '{aim.metric}'")
    found.sort(key=lambda row: costs[id(row)], reverse=True)
    axes = [one for one in (axis(name, found) for name in there.parameters) if one.low < one.high]
    values = [float(row.metrics[aim.metric]) for row in found]
    result = _result(aim.metric, sorted(values))
    points = []
    for row, value in zip(found, values, strict=True):
        at = [one.place(row.values.get(one.name, "")) for one in axes]
        points.append(Point(row, at, value, row is found[-1]))
    return Plot(aim, axes, result, points, len(rows) - len(found))


def axis(name: str, rows: Sequence[Row]) -> Axis:
    """A parameter: by number, if all of its values are finite ones, else by word."""
    words = [row.values.get(name, "") for row in rows]
    if all(math.isfinite(_float(word)) for word in words):
        return _numbers(name, [_float(word) for word in words])
    order = sorted(set(words), key=lambda word: (_float(word) if math.isfinite(_float(word)) else math.inf, word))
    return Axis(name, False, 0.0, len(order) - 1.0, order, [float(place) for place in range(len(order))])


def _numbers(name: str, values: Sequence[float]) -> Axis:
    distinct = sorted(set(values))
    ticks = distinct if len(distinct) <= FEW else ()
    return Axis(name, is_log_spaced(distinct), distinct[0], distinct[-1], ticks=ticks)


def _result(name: str, values: Sequence[float]) -> Axis:
    low, middle, high = values[0], values[len(values) // 2], values[-1]
    is_log = low > 0 and high > WIDE * low and middle - low < LOW * (high - low)
    return Axis(name, is_log, low, high)


def is_log_spaced(distinct: Sequence[float]) -> bool:
    """Whether ascending values lie more evenly by their logarithms."""
    if len(distinct) < 2 or distinct[0] <= 0 or distinct[-1] / distinct[0] < 4:
        return False
    if len(distinct) == 2:
        return distinct[1] / distinct[0] >= 10
    return _unevenness([math.log(one) for one in distinct]) < _unevenness(distinct)


def _unevenness(values: Sequence[float]) -> float:
    gaps = [high - low for low, high in pairwise(values)]
    mean = sum(gaps) / len(gaps)
    return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean


def _float(text: str) -> float:
    found = number(text)
    return math.nan if found is None else float(found)


def setting(values: Mapping[str, str], axes: Sequence[Axis]) -> str:
    """What of a job's setting varies, in words."""
    return "  ".join(f"{one.name}={values.get(one.name, '')}" for one in axes)
