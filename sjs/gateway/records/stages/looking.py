"""What is asked of items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from sjs.gateway.records import tables
from sjs.gateway.records.stages.values import CLAIMED, FREE, STUCK
from sjs.values import dataclass

STEPS = 1_000
"""Of an item, the last ones."""


Rows = tuple[Sequence[Row[Any]], int | None]
"""Some, and behind which number there may be more, if there may."""


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

LOOKED = 20_000
"""Items that are looked at for one question, where no index leads to just those that are wanted."""

FEW = 10
"""Rows that are read first, for each may be as long as a command and a result."""


def page(connection: Connection, pipeline: int, which: Which, after: int = -1, limit: int = 100) -> Rows:
    """Rows of items, the lowest numbers first, from behind one on: as many as are asked for, or fewer where they say
    much, or where so many others had to be looked at; and behind which number there may be more."""
    found: list[Row[Any]] = []
    size = 0
    while len(found) < limit and size < BYTES:
        wanted = min(limit - len(found), FEW if not found else (BYTES - size) * len(found) // (size or 1) + 1)
        some, stop = _some(connection, pipeline, which, found[-1].number if found else after, wanted, tables.items.c)
        found += some
        if len(some) < wanted or stop is None:
            return found, stop
        size += sum(len(row.command) + len(row.result or "") + len(row.file) for row in some)
    return found, found[-1].number


def brief(connection: Connection, pipeline: int, which: Which, limit: int) -> Sequence[Row[Any]]:
    """The same without what may be long: commands and results."""
    c = tables.items.c
    return _some(connection, pipeline, which, -1, limit, (c.number, c.stage, c.file, c.since, c.flagged))[0]


Conditions = Mapping[str, Any]


def _ways(which: Which) -> Sequence[tuple[Conditions, Conditions]]:
    """What an index leads to, and what is to be looked at of that. Somebody has few, and few are flagged; of a stage an
    index has one state after the other."""
    said = {"worker": which.worker, "flagged": which.is_flagged, "stage": which.stage, "state": which.state}
    said = {name: value for name, value in said.items() if value is not None}
    first = "worker" if "worker" in said else "flagged" if which.is_flagged or "stage" not in said else "stage"
    lead = {first: said.pop(first)} if first in said else {}
    if first != "stage":
        return [(lead, said)]
    states = (said.pop("state"),) if "state" in said else (FREE, CLAIMED, STUCK)
    return [({**lead, "state": state}, said) for state in states]


def _some(
    connection: Connection, pipeline: int, which: Which, after: int, limit: int, what: Iterable[ColumnElement[Any]]
) -> Rows:
    looks = [_look(connection, _Look(pipeline, after, limit, *way), what) for way in _ways(which)]
    stop = min((stop for _, stop in looks if stop is not None), default=None)
    rows = list(merge(*(rows for rows, _ in looks), key=lambda row: row.number))
    if stop is not None:
        rows = [row for row in rows if row.number <= stop]
    return (rows[:limit], rows[limit - 1].number) if len(rows) > limit else (rows, stop)


@dataclass(frozen=True)
class _Look:
    pipeline: int
    after: int
    limit: int
    lead: Conditions
    rest: Conditions


def _look(connection: Connection, look: _Look, what: Iterable[ColumnElement[Any]]) -> Rows:
    c = tables.items.c
    if not look.rest:
        rows = _rows(connection, _led(look, *what).limit(look.limit))
        return rows, rows[-1].number if len(rows) == look.limit else None
    near = _led(look, c.number, *(c[name] for name in look.rest)).limit(LOOKED).subquery()
    wanted = select(near.c.number).where(*(near.c[name] == value for name, value in look.rest.items()))
    numbers = connection.scalars(wanted.order_by(near.c.number).limit(look.limit)).all()
    rows = _rows(connection, select(*what).where(c.pipeline == look.pipeline, c.number.in_(numbers)).order_by(c.number))
    if len(numbers) == look.limit:
        return rows, numbers[-1]
    return rows, connection.scalar(_led(look, c.number).offset(LOOKED - 1).limit(1))


def _led(look: _Look, *what: ColumnElement[Any]) -> Select[Any]:
    c = tables.items.c
    those = (c[name] == value for name, value in look.lead.items())
    return select(*what).where(c.pipeline == look.pipeline, c.number > look.after, *those).order_by(c.number)


def _rows(connection: Connection, found: Select[Any]) -> Sequence[Row[Any]]:
    return connection.execute(found).all()


@dataclass(frozen=True)
class Holder:
    """A worker that has items, `late` ones among them: flagged, for their time was over."""

    worker: str
    count: int
    late: int


def workers(connection: Connection, pipeline: int, limit: int) -> Sequence[Holder]:
    """Who has items, whoever has most first, by so many claims: in an index alone, which has one worker's after the
    other's. Of flagged items few are looked at."""
    c = tables.items.c
    held = select(c.worker).where(c.pipeline == pipeline, c.worker.is_not(None)).order_by(c.worker).limit(limit)
    flagged = select(c.worker).where(c.pipeline == pipeline, c.flagged.is_(True)).order_by(c.number).limit(LOOKED // 4)
    counts, late = _by_worker(connection, held), _by_worker(connection, flagged)
    found = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [Holder(worker, count, late.get(worker, 0)) for worker, count in found]


def _by_worker(connection: Connection, some: Select[Any]) -> dict[str, int]:
    near = some.subquery()
    found = connection.execute(select(near.c.worker, func.count()).group_by(near.c.worker))
    return {row[0]: row[1] for row in found if row[0] is not None}


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
