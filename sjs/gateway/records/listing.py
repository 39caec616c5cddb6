"""Some of many jobs: those that are wanted, from a place on, in the order of their ids. However many jobs there are, no
more than a bounded number of them is looked at: where an index leads to all that are wanted, no others; else so many
of those to which one leads, and who asks is told how far that was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, func, select

from sjs.core.lifecycle import LIVE
from sjs.gateway.records.jobs import tag_digest
from sjs.gateway.records.tables import jobs, tags
from sjs.values import dataclass

LOOKED = 20_000
"""Jobs that are looked at for one question, where no index leads to just those that are wanted."""

COUNTED = 10_000
"""Jobs of a state that are counted; of more it is said that they are more."""


@dataclass(frozen=True)
class Sought:
    """Which jobs; what is not said does not matter."""

    owner: str | None = None
    states: tuple[str, ...] = ()
    name: str | None = None
    spec: str | None = None
    target: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    """All of them."""
    span: tuple[int, int] | None = None
    """From this job to that one."""


@dataclass(frozen=True)
class Walk:
    """Those beyond the job `start`, or from the end on; to ever older ones, or, `up`, to newer ones."""

    start: int | None = None
    up: bool = False


@dataclass(frozen=True)
class Found:
    """Ids in the order of the walk. `stop`: where the walk goes on, if there may be more."""

    numbers: Sequence[int]
    stop: int | None = None


def some(connection: Connection, sought: Sought, walk: Walk, limit: int) -> Found:
    """The next `limit` jobs of a walk; fewer, with a `stop`, where so many others had to be looked at."""
    looks = [_look(connection, way, walk, limit + 1) for way in _ways(sought)]
    stops = [one.stop for one in looks if one.stop is not None]
    stop = None if not stops else min(stops) if walk.up else max(stops)
    seen = sorted((number for one in looks for number in one.numbers), reverse=not walk.up)
    if stop is not None:
        seen = [number for number in seen if (number <= stop if walk.up else number >= stop)]
    return Found(seen[:limit], seen[limit - 1]) if len(seen) > limit else Found(seen, stop)


def rows(connection: Connection, numbers: Sequence[int], columns: Sequence[str] = ()) -> Sequence[Row[Any]]:
    """What is known of these jobs, or of that so much, in this order."""
    what = [jobs.c[name] for name in columns] if columns else [*jobs.c]
    found = {row.id: row for row in connection.execute(select(*what).where(jobs.c.id.in_(numbers)))}
    return [found[number] for number in numbers if number in found]


Fields = Mapping[str, Any]


@dataclass(frozen=True)
class _Way:
    """What an index leads to, by values of rows (`lead`), a span of ids or a tag; and what is to be looked at of
    that: values (`rest`) and other tags."""

    lead: Fields
    rest: Fields
    span: tuple[int, int] | None = None
    tag: str | None = None
    tags: Sequence[str] = ()


def _ways(sought: Sought) -> Iterator[_Way]:
    """One for each state, for an index has one state after the other; but a span, or a tag, leads to fewer."""
    said = {name: value for name, value in vars(sought).items() if value not in (None, ())}
    span = said.pop("span", None)
    tags = [tag_digest(*tag) for tag in said.pop("tags", ())]
    if span is not None or tags:
        tag, others = (None, tags) if span is not None else (tags[0], tags[1:])
        rest = {("state" if name == "states" else name): value for name, value in said.items()}
        yield _Way({}, rest, span, tag, others)
        return
    states = said.pop("states", ())
    lead = next((name for name in ("name", "spec") if name in said), None)
    if lead is not None:
        yield _Way({lead: said.pop(lead)}, {**said, **({"state": states} if states else {})})
        return
    first = {"owner": said.pop("owner")} if "owner" in said else {}
    for state in states:
        yield _Way({**first, "state": state}, said)
    if not states:
        yield _Way(first, said)


def _look(connection: Connection, way: _Way, walk: Walk, limit: int) -> Found:
    if not way.rest and not way.tags:
        numbers = connection.scalars(_led(way, walk, jobs.c.id).limit(limit)).all()
        return Found(numbers, numbers[-1] if len(numbers) == limit else None)
    near = _led(way, walk, jobs.c.id, *(jobs.c[name] for name in way.rest)).limit(LOOKED).subquery()
    has = [select(tags.c.job).where(tags.c.job == near.c.id, tags.c.digest == tag).exists() for tag in way.tags]
    wanted = select(near.c.id).where(*_are(near, way.rest), *has)
    numbers = connection.scalars(wanted.order_by(near.c.id if walk.up else near.c.id.desc()).limit(limit)).all()
    if len(numbers) == limit:
        return Found(numbers, numbers[-1])
    return Found(numbers, connection.scalar(_led(way, walk, jobs.c.id).offset(LOOKED - 1).limit(1)))


def _led(way: _Way, walk: Walk, *columns: ColumnElement[Any]) -> Select[Any]:
    found, number = select(*columns).where(*_are(jobs, way.lead)), jobs.c.id
    if way.span is not None:
        found = found.where(number.between(*way.span))
    if way.tag is not None:
        number = tags.c.job  # by the index of tags, which has a tag's jobs in their order
        found = found.join_from(tags, jobs, number == jobs.c.id).where(tags.c.digest == way.tag)
    if walk.start is not None:
        found = found.where(number > walk.start if walk.up else number < walk.start)
    return found.order_by(number if walk.up else number.desc())


def _are(source: FromClause, fields: Fields) -> list[ColumnElement[bool]]:
    """They have these values, or one of those."""
    return [
        source.c[name].in_(value) if isinstance(value, tuple) else source.c[name] == value
        for name, value in fields.items()
    ]


def counts(connection: Connection, owner: str | None, states: Sequence[str]) -> Mapping[str, int]:
    """How many jobs are in each of these states, up to one more than are counted; `owner` None: everybody's."""
    found: dict[str, int] = {}
    for state in states:
        those = select(jobs.c.id).where(jobs.c.state == state)
        if owner is not None:
            those = those.where(jobs.c.owner == owner)
        found[state] = connection.scalar(select(func.count()).select_from(those.limit(COUNTED + 1).subquery())) or 0
    return found


def ran(connection: Connection, owner: str | None, start: float, stop: float, limit: int) -> Sequence[Row[Any]]:
    """When jobs ran that ran in a window of time, those first that ran last; `owner` None: everybody's."""
    found = select(jobs.c.id, jobs.c.name, jobs.c.target, jobs.c.state, jobs.c.begun, jobs.c.ended)
    found = found.where(jobs.c.target.is_not(None), jobs.c.begun < stop)
    if owner is not None:
        found = found.where(jobs.c.owner == owner)
    over = found.where(jobs.c.ended > start).order_by(jobs.c.ended.desc()).limit(limit)
    going = found.where(jobs.c.state.in_(LIVE)).order_by(jobs.c.id.desc()).limit(limit)
    return [*connection.execute(going), *connection.execute(over)][:limit]
