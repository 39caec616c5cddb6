"""Pipelines are made, changed, looked at and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from sjs.errors import BadRequest, Conflict
from sjs.gateway.records import events, tables
from sjs.gateway.records.stages.ledger import NUMBERED, PIPELINES, read_pipelines
from sjs.gateway.records.stages.values import FREE, MOST_STAGES, Changed, Counts, NoPipeline, Pipeline, Seen, Stage
from sjs.values import dataclass

DEFINED, DELETED = "stage.defined", "stage.deleted"
"""Kinds of events."""

MOST = 1_000
"""Pipelines of an owner."""

PAGE = 500
"""Items that are removed at once."""


@dataclass(frozen=True)
class Definition:
    """What is said of a pipeline. `seen`: only if it is this one still; `is_new`: only if there is none."""

    owner: str
    name: str
    stages: Sequence[Stage]
    is_loose: bool = False
    seen: Seen | None = None
    is_new: bool = False


def define(connection: Connection, said: Definition, now: float) -> tuple[Pipeline, bool]:
    """The pipeline as it is then, and whether it is new. Items stay where they are: a stage with items can not go."""
    _check(said)
    known = find(connection, said.owner, said.name)
    if known is None:
        if said.seen is not None:
            raise Changed(f"there is no pipeline {said.name!r:.100} any more")
        _make(connection, said, now)
    elif said.is_new:
        raise Changed(f"there is a pipeline {said.name!r:.100} already")
    else:
        if said.seen not in (None, known.seen):
            raise Changed(f"the pipeline {said.name!r:.100} has changed since", "look at it again")
        _change(connection, known, said.stages)
    found = get(connection, said.owner, said.name)
    if known is None or known.version != found.version:
        events.tell(connection, DEFINED, now, [(None, said.owner, {"pipeline": said.name})])
    return found, known is None


def _check(said: Definition) -> None:
    """A loose one may have none: nothing is said of its stages yet."""
    stages = said.stages
    if not (0 if said.is_loose else 2) <= len(stages) <= MOST_STAGES:
        raise BadRequest(f"a pipeline has 2 to {MOST_STAGES} stages, the last of which means done")
    names = [one.name for one in stages if one.name]
    if len(set(names)) != len(names):
        raise BadRequest("two stages have the same name")
    for number, one in enumerate(stages):
        if one.back is not None and not 0 <= one.back < len(stages):
            raise BadRequest(f"stage {number} goes back to {one.back}, which is none of its stages")


def _make(connection: Connection, said: Definition, now: float) -> None:
    if (connection.scalar(select(func.count()).where(tables.pipelines.c.owner == said.owner)) or 0) >= MOST:
        raise Conflict(f"{said.owner} has {MOST} pipelines, which is the limit", "delete one first")
    row = {"owner": said.owner, "name": said.name, "loose": said.is_loose, "last": len(said.stages) - 1}
    made = insert(tables.pipelines).values({**row, "next": 1, "created": now}).returning(tables.pipelines.c.id)
    number = connection.execute(made).scalar_one()
    if said.stages:
        connection.execute(insert(tables.stages), [_row(number, at, one) for at, one in enumerate(said.stages)])


def _change(connection: Connection, known: Pipeline, stages: Sequence[Stage]) -> None:
    new = dict(enumerate(stages))
    if known.last == len(stages) - 1 and all(known.stages.get(at) == one for at, one in new.items()):
        return
    gone = [at for at in known.stages if at not in new]
    held = [at for at in gone if known.counts[at].total]
    if held and not known.is_loose:
        raise Conflict(f"there are {known.counts[held[0]].total} items at stage {held[0]}", "move or delete them first")
    s = tables.stages.c
    connection.execute(delete(tables.stages).where(s.pipeline == known.id, s.stage.in_(gone), s.total == 0))
    for at, one in new.items():
        if at not in known.stages:
            connection.execute(insert(tables.stages), _row(known.id, at, one))
        elif known.stages[at] != one:
            connection.execute(update(tables.stages).where(s.pipeline == known.id, s.stage == at).values(vars(one)))
            if known.is_loose and known.stages[at].lifetime != one.lifetime:
                _count_anew(connection, known.id, at, one.lifetime)
    p = tables.pipelines.c
    values: Mapping[str, Any] = {"last": len(stages) - 1, "version": p.version + 1}
    connection.execute(update(tables.pipelines).where(p.id == known.id).values(values))


def _count_anew(connection: Connection, pipeline: int, stage: int, lifetime: float) -> None:
    """Their time runs from when they came to the stage, and is another now."""
    c = tables.items.c
    these = update(tables.items).where(c.pipeline == pipeline, c.stage == stage, c.state == FREE, c.flagged.is_(False))
    connection.execute(these.values(due=c.since + lifetime if lifetime else None))
    events.due(connection, 0.0)


def _row(pipeline: int, at: int, stage: Stage) -> dict[str, Any]:
    return {"pipeline": pipeline, "stage": at, **vars(stage), **vars(Counts())}


def find(connection: Connection, owner: str, name: str) -> Pipeline | None:
    """The one of this name."""
    found = read_pipelines(connection, _CALLED, {"whose": owner, "called": name})
    return found[0] if found else None


_CALLED = PIPELINES.where(
    tables.pipelines.c.owner == bindparam("whose"), tables.pipelines.c.name == bindparam("called")
)


def get(connection: Connection, owner: str, name: str) -> Pipeline:
    """The same; NoPipeline if there is none."""
    found = find(connection, owner, name)
    if found is None:
        raise NoPipeline(f"there is no pipeline {name!r:.100}")
    return found


def page(connection: Connection, owner: str | None, after: int, limit: int) -> Sequence[Pipeline]:
    """Pipelines in the order in which they were made; `owner` None: everybody's."""
    p = tables.pipelines.c
    these = select(p.id).where(p.id > after, p.name.is_not(None)).order_by(p.id).limit(limit)
    if owner is not None:
        these = these.where(p.owner == owner)
    return read_pipelines(connection, NUMBERED, {"these": connection.scalars(these).all()})


def close(connection: Connection, owner: str, name: str, now: float) -> None:
    """Nobody finds it any more; its items are removed a little at a time (`remove_closed`)."""
    known = get(connection, owner, name)
    c = tables.items.c
    connection.execute(update(tables.items).where(c.pipeline == known.id, c.due.is_not(None)).values(due=None))
    connection.execute(update(tables.pipelines).where(tables.pipelines.c.id == known.id).values(name=None))
    events.tell(connection, DELETED, now, [(None, owner, {"pipeline": name})])


def remove_closed(connection: Connection) -> int:
    """Some items of a pipeline that was closed, or that itself; how many."""
    number = connection.scalar(select(tables.pipelines.c.id).where(tables.pipelines.c.name.is_(None)).limit(1))
    if number is None:
        return 0
    c = tables.items.c
    some = connection.scalars(select(c.number).where(c.pipeline == number).order_by(c.number).limit(PAGE)).all()
    connection.execute(delete(tables.items).where(c.pipeline == number, c.number.in_(some)))
    if len(some) < PAGE:
        connection.execute(delete(tables.pipelines).where(tables.pipelines.c.id == number))
    return len(some) or 1
