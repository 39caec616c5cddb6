"""What came out of a sweep, made once for all who look at it in the same way, and no heavier than a page may be. A
sweep that goes on is another at each look, and many may watch it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from markupsafe import Markup
from sqlalchemy import Row as Record

from sjs.core.aims import Aim, parse
from sjs.gateway.outcomes import Outcome, Outcomes, Reading
from sjs.gateway.rounds import Rounds
from sjs.gateway.web.pages.frame import Frame
from sjs.gateway.web.pages.plots import scales
from sjs.gateway.web.pages.plots.parallel import AXES, Parallel, Setting, parallel
from sjs.gateway.web.pages.plots.parallel import MOST as MOST_LINES
from sjs.gateway.web.pages.plots.sampling import sample
from sjs.gateway.web.pages.plots.scatter import Dot, Scatter, scatter
from sjs.results.rows import Row
from sjs.results.table import Order, cell
from sjs.results.table import shown as figure
from sjs.values import dataclass

ROWS = 100
"""Settings on a page, …"""

WEIGHT = 100_000
"""… or as many as have room beside the pictures in so many bytes."""

PARAMETERS, METRICS = 24, 16
"""Columns that are shown; the table to fetch has all."""

PATIENCE = 0.7
"""Seconds that a page waits for what jobs have printed; the page that follows has the rest."""

REST = 0.3
"""Seconds at most between one that was made and the next."""

NOTHING = "none"
"""In place of what is best, where a sweep has a metric of its own and somebody wants none."""

KEPT = 8
"""Of those that were made last, so many stay for who asks again."""


@dataclass(frozen=True)
class View:
    """How a reader wants to see a sweep: what its query says."""

    sort: str = ""
    best: str = ""
    state: str = ""
    x: str = ""
    y: str = ""
    colour: str = ""
    start: int = 0
    owner: str | None = None

    @property
    def aim(self) -> Aim | None:
        return parse(self.best) if self.best not in ("", NOTHING) else None

    @property
    def order(self) -> Order:
        return Order(self.aim, self.sort.removeprefix("-"), self.sort.startswith("-"))

    @property
    def states(self) -> Sequence[str]:
        """Nothing is all."""
        return [self.state] if self.state else []

    def query(self, **other: Any) -> Mapping[str, Any]:
        """What leads to the same view, but for this."""
        said = {**vars(self), **other}
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Shown:
    """`names`: of its columns; `metrics`: those of these that jobs have printed; `more`: how many columns there are
    besides; `rows`: of the table, up to the one before `stop`."""

    found: Outcome
    names: Sequence[str]
    metrics: Sequence[str]
    more: int
    is_number: Mapping[str, bool]
    pictures: Markup
    rows: Markup
    stop: int


class Board:
    """Who asks is known to be allowed to see the sweep."""

    def __init__(self, frame: Frame, outcomes: Outcomes) -> None:
        self._frame = frame
        self._outcomes = outcomes
        self._rounds = Rounds(REST)
        self._kept: OrderedDict[tuple[int, View], Shown] = OrderedDict()

    async def of(self, sweep: Record[Any], view: View) -> Shown:
        """How it stands with a sweep, as far as that is known within a moment."""
        known = self._known(sweep, view)
        if known is not None:
            return known
        reading = await self._outcomes.read(sweep, PATIENCE)
        return await self._rounds.join((sweep.id, view), lambda: self._made(sweep, view, reading))

    def _known(self, sweep: Record[Any], view: View) -> Shown | None:
        """What was made, if nothing has changed since."""
        shown = self._kept.get((sweep.id, view))
        found = self._outcomes.known(sweep, view.order, view.states)
        return shown if shown is not None and shown.found is found else None

    async def _made(self, sweep: Record[Any], view: View, reading: Reading) -> Shown:
        found = await self._outcomes.table(sweep, reading, view.order, view.states)
        known = self._known(sweep, view)
        if known is not None:
            return known
        shown = self._kept[sweep.id, view] = await asyncio.to_thread(self._drawn, found, view)
        self._kept.move_to_end((sweep.id, view))
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return shown

    def _drawn(self, found: Outcome, view: View) -> Shown:
        parameters, metrics = found.columns.parameters[:PARAMETERS], found.columns.metrics[:METRICS]
        names = [*parameters, *metrics]
        more = len(found.columns.parameters) + len(found.columns.metrics) - len(names)
        picture, lines = _scatter(found, view), _parallel(found, view)
        pictures = self._frame.part("pictures.html", picture=picture, lines=lines)
        some = found.rows[view.start : view.start + ROWS]
        is_number = {name: _is_number(some, name) for name in names}
        rows = list(_fitting(self._rows(found, some, names, is_number), WEIGHT - _bytes(pictures)))
        return Shown(found, names, metrics, more, is_number, pictures, Markup("").join(rows), view.start + len(rows))

    def _rows(
        self, found: Outcome, some: Sequence[Row], names: Sequence[str], is_number: Mapping[str, bool]
    ) -> Iterator[Markup]:
        best = None if found.best is None else found.best.job
        for one in some:
            cells = [(name, shown(one, name), is_number[name]) for name in names]
            yield self._frame.part("setting.html", one=one, cells=cells, is_best=one.job == best)


def _fitting(rows: Iterator[Markup], room: int) -> Iterator[Markup]:
    """As many as there is room for, but one at least."""
    for row in islice(rows, 1):
        room -= _bytes(row)
        yield row
    for row in rows:
        room -= _bytes(row)
        if room < 0:
            return
        yield row


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def shown(one: Row, name: str) -> str:
    """What stands in a cell."""
    found = cell(one, name)
    return "" if found is None else found if isinstance(found, str) else figure(found)


def _some(found: Outcome, most: int) -> tuple[Sequence[Row], int]:
    """Of the settings that have numbers those that are drawn, and how many are left."""
    there = [one for one in found.rows if one.metrics]
    some = sample(there, most, lambda one: one is found.best)
    return some, len(there) - len(some)


def _scatter(found: Outcome, view: View) -> Scatter | None:
    """None where there is nothing that could be drawn."""
    names = [*found.columns.parameters, *found.columns.metrics]
    if not found.columns.metrics:
        return None
    metric = view.aim.metric if view.aim is not None else found.columns.metrics[0]
    tried = [one for one in found.columns.parameters if _varies(found.rows, one)]
    x, y, colour = view.x or [*tried, *names][0], view.y or metric, view.colour or [*tried[1:], metric][0]
    dots = [Dot(one.job, _value(one, x), _value(one, y), _value(one, colour), one is found.best) for one in found.rows]
    return scatter(dots, x, y, colour)


def _parallel(found: Outcome, view: View) -> Parallel | None:
    """The same by all parameters of which there are several values, and the metrics."""
    tried = [one for one in found.columns.parameters if _varies(found.rows, one)]
    if not tried or not found.columns.metrics:
        return None
    metric = view.aim.metric if view.aim is not None else found.columns.metrics[0]
    metrics = [metric, *(one for one in found.columns.metrics if one != metric)]
    names = [*tried[: AXES - 1], *metrics][:AXES]
    some, left = _some(found, MOST_LINES)
    settings = [Setting(one.job, {name: _value(one, name) for name in names}, one is found.best) for one in some]
    return parallel(settings, names, metric, left)


def _value(one: Row, name: str) -> scales.Value:
    return scales.value(cell(one, name))


def _varies(rows: Sequence[Row], name: str) -> bool:
    return len({one.values.get(name) for one in rows}) > 1


def _is_number(rows: Sequence[Row], name: str) -> bool:
    return all(not isinstance(_value(one, name), str) for one in rows)
