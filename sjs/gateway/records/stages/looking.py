"""What is asked of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import merge
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from sjs.gateway.records import tables
from sjs.gateway.records.stages.values import CLAIMED, FREE, STUCK
from sjs.values import dataclass

STEPS = 1_000
"""Of an item, the last ones."""


Rows = tuple[Sequence[Row[Any]], bool]


@dataclass(frozen=True)
class Which:
    """Only items of which this is so."""

    stage: int | None = None
    is_flagged: bool | None = None
    worker: str | None = None
    state: str | None = None


def one(connection: Connection, pipeline: int, number: int) -> Row[Any] | None:
    """The row of an item."""
    c = tables.items.c
    return connection.execute(select(tables.items).where(c.pipeline == pipeline, c.number == number)).one_or_none()


BYTES = 4 << 20
"""Of what is said of the items on a page, about."""

FEW = 10
"""Rows that are read first, for each may be as long as a command and a result."""


def page(connection: Connection, pipeline: int, which: Which, after: int = -1, limit: int = 100) -> Rows:
    """Rows of items, the lowest numbers first, from behind one on: as many as are asked for, or fewer where they say
    much; and whether there may be more."""
    found: list[Row[Any]] = []
    size = 0
    while len(found) < limit and size < BYTES:
        wanted = min(limit - len(found), FEW if not found else (BYTES - size) * len(found) // (size or 1) + 1)
        some = _some(connection, pipeline, which, found[-1].number if found else after, wanted)
        found += some
        if len(some) < wanted:
            return found, False
        size += sum(len(row.command) + len(row.result or "") + len(row.file) for row in some)
    return found, True


def brief(connection: Connection, pipeline: int, which: Which, limit: int) -> Sequence[Row[Any]]:
    """The same without what may be long: commands and results."""
    c = tables.items.c
    return _some(connection, pipeline, which, -1, limit, select(c.number, c.stage, c.file, c.since, c.flagged))


def _some(
    connection: Connection, pipeline: int, which: Which, after: int, limit: int, what: Select[Any] | None = None
) -> Sequence[Row[Any]]:
    """Of a stage they are read in the order in which they are found, for each state by itself."""
    c = tables.items.c
    found = (
        (select(tables.items) if what is None else what)
        .where(c.pipeline == pipeline, c.number > after)
        .order_by(c.number)
        .limit(limit)
    )
    if which.is_flagged is not None:
        found = found.where(c.flagged.is_(which.is_flagged))
    if which.worker is not None:
        found = found.where(c.worker == which.worker)
    if which.stage is None:
        return _rows(connection, found if which.state is None else found.where(c.state == which.state))
    states = (FREE, CLAIMED, STUCK) if which.state is None else (which.state,)
    parts = [_rows(connection, found.where(c.stage == which.stage, c.state == state)) for state in states]
    return list(merge(*parts, key=lambda row: row.number))[:limit]


def _rows(connection: Connection, found: Select[Any]) -> Sequence[Row[Any]]:
    return connection.execute(found).all()


@dataclass(frozen=True)
class Holder:
    """A worker that has items, `late` ones among them: flagged, for their time was over."""

    worker: str
    count: int
    late: int


def workers(connection: Connection, pipeline: int, stages: Sequence[int], limit: int) -> Sequence[Holder]:
    """Who has items at these stages, whoever has most first, of so many claimed items of each stage."""
    c = tables.items.c
    found: Counter[str] = Counter()
    late: Counter[str] = Counter()
    for stage in stages:
        some = select(c.worker, c.flagged).where(c.pipeline == pipeline, c.stage == stage, c.state == CLAIMED)
        for worker, is_flagged in connection.execute(some.order_by(c.number).limit(limit)):
            found[worker or ""] += 1
            late[worker or ""] += bool(is_flagged)
    return [Holder(worker, count, late[worker]) for worker, count in found.most_common()]


def steps(connection: Connection, pipeline: int, number: int) -> Sequence[Row[Any]]:
    """What was done with an item, the oldest first."""
    c = tables.steps.c
    found = select(c.time, c.what, c.who, c.stage, c.target, c.detail).where(c.pipeline == pipeline, c.number == number)
    return list(reversed(connection.execute(found.order_by(c.id.desc()).limit(STEPS)).all()))


def standing(connection: Connection, limit: int) -> Sequence[Any]:
    """Whose pipelines there are, and at which of their stages how many items are, claimed ones and flagged ones."""
    p, s = tables.pipelines.c, tables.stages.c
    what = (p.owner, p.name, s.stage, s.total, s.claimed, s.flagged)
    found = select(*what).join_from(tables.stages, tables.pipelines)
    return _rows(connection, found.where(p.name.is_not(None)).order_by(s.pipeline, s.stage).limit(limit))


def first_due(connection: Connection) -> float | None:
    """When the time of an item is over next."""
    found: float | None = connection.scalar(select(func.min(tables.items.c.due)))
    return found
