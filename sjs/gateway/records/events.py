"""What has happened, in the order in which it became durable; and which jobs a transaction has changed."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from sjs.compact import to_json
from sjs.gateway.records.tables import events
from sjs.values import dataclass, field

_CHANGES = "sjs_changes"


@dataclass(frozen=True)
class Event:
    """`job`: whose it is, if one's; `data`: JSON."""

    seq: int
    time: float
    kind: str
    owner: str
    job: int | None
    data: str


@dataclass
class Changes:
    """Of one transaction, or of several: what happened; the jobs whose rows are others now; how many items are to be
    had now that were not, at which stage of which pipeline; what was done with items, and how often; the first moment
    at which the time of one is over; the sweeps that are to be attended from now on."""

    events: list[Event] = field(default_factory=list)
    jobs: set[int] = field(default_factory=set)
    freed: Counter[tuple[int, int]] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    due: float = math.inf
    attended: set[int] = field(default_factory=set)


def begin(connection: Connection) -> Changes:
    """From now on, note what this connection's transaction changes."""
    changes: Changes = Changes()
    connection.info[_CHANGES] = changes
    return changes


def touch(connection: Connection, numbers: Iterable[int]) -> None:
    """The rows of these jobs are others now."""
    changes = connection.info.get(_CHANGES)
    if changes is not None:
        changes.jobs.update(numbers)


def freed(connection: Connection, pipeline: int, stage: int) -> None:
    """There is one more item to be had."""
    changes = connection.info.get(_CHANGES)
    if changes is not None:
        changes.freed[pipeline, stage] += 1


def stepped(connection: Connection, what: str) -> None:
    """This was done with an item."""
    changes = connection.info.get(_CHANGES)
    if changes is not None:
        changes.steps[what] += 1


def due(connection: Connection, moment: float) -> None:
    """The time of an item is over then."""
    changes = connection.info.get(_CHANGES)
    if changes is not None:
        changes.due = min(changes.due, moment)


def attend(connection: Connection, sweep: int) -> None:
    """How it goes on is to be seen to."""
    changes = connection.info.get(_CHANGES)
    if changes is not None:
        changes.attended.add(sweep)


def tell(
    connection: Connection, kind: str, now: float, of: Sequence[tuple[int | None, str, Mapping[str, Any]]]
) -> None:
    """This has happened to these jobs: their ids, owners, and what else there is to say. What has no job is not of
    one."""
    if not of:
        return
    rows: list[dict[str, Any]] = [
        {"time": now, "kind": kind, "owner": owner, "job": number, "data": to_json(data)} for number, owner, data in of
    ]
    made = connection.scalars(_ADD, rows).all()
    changes = connection.info.get(_CHANGES)
    if changes is not None:
        changes.events += [Event(seq, **row) for seq, row in zip(made, rows, strict=True)]
        changes.jobs.update(number for number, _, _ in of if number is not None)


_ADD = insert(events).returning(events.c.seq, sort_by_parameter_order=True)


def since(
    connection: Connection,
    seq: int,
    owner: str | None,
    limit: int,
    kinds: Sequence[str] = (),
    job: int | None = None,
    span: tuple[int, int] | None = None,
) -> Sequence[Event]:
    """What came after, the oldest first; `owner` None: everybody's; `span`: of the jobs from one to another."""
    found = _of(owner, kinds, job).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
    if span is not None:
        near = events.alias("near")  # found by its jobs first: what all others did may be much more
        found = found.where(events.c.seq.in_(select(near.c.seq).where(near.c.job.between(*span), near.c.seq > seq)))
    return [Event(*row) for row in connection.execute(found)]


def past(
    connection: Connection, owner: str | None, before: int | None, limit: int, kinds: Sequence[str], job: int | None
) -> Sequence[Event]:
    """What came before, the newest first; `owner` None: everybody's."""
    found = _of(owner, kinds, job).order_by(events.c.seq.desc()).limit(limit)
    if before is not None:
        found = found.where(events.c.seq < before)
    return [Event(*row) for row in connection.execute(found)]


def _of(owner: str | None, kinds: Sequence[str], job: int | None) -> Select[Any]:
    found = select(events)
    if owner is not None:
        found = found.where(events.c.owner == owner)
    if kinds:
        found = found.where(events.c.kind.in_(kinds))
    return found if job is None else found.where(events.c.job == job)


def last(connection: Connection, job: int, limit: int) -> Sequence[Event]:
    """The last that are kept of a job, the newest first."""
    found = select(events).where(events.c.job == job).order_by(events.c.seq.desc()).limit(limit)
    return [Event(*row) for row in connection.execute(found)]


def span(connection: Connection) -> tuple[int, int]:
    """The first and the last that are kept; (0, 0) if there are none."""
    low = select(func.min(events.c.seq)).scalar_subquery()  # each by itself: SQLite goes through all rows for both
    high = select(func.max(events.c.seq)).scalar_subquery()
    first, last = connection.execute(select(low, high)).one()
    return first or 0, last or 0


def tail(connection: Connection, limit: int) -> tuple[Sequence[Event], int]:
    """The last that are kept, the oldest first; and a place after which there are no others."""
    found = connection.execute(select(events).order_by(events.c.seq.desc()).limit(limit)).all()
    rows = [Event(*row) for row in reversed(found)]
    return rows, rows[0].seq - 1 if rows else 0


@lru_cache(maxsize=4_096)
def pipeline_of(event: Event) -> str | None:
    """The name of the pipeline of whose items it tells, if of any."""
    found: str | None = json.loads(event.data).get("pipeline") if event.job is None else None
    return found


def document(event: Event) -> str:
    """What all who hear of it are told, as JSON."""
    job = {} if event.job is None else {"id": event.job}
    data = {**job, "owner": event.owner, **json.loads(event.data)}
    return to_json({"id": event.seq, "type": event.kind, "time": event.time, "data": data})
