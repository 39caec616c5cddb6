"""What of the records goes in time: what may, from the oldest on, and how it is removed, a little at a time.

What has not ended stays, and so does what has left something that is not collected yet. Events go from the front alone,
whosever they are: who comes back with the number of the last one that he has heard is told of all that came since, or
that some of it is gone. Keys stay whatever becomes of their jobs: under one nothing runs twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Text, and_, delete, func, or_, select, update

from sjs.core.lifecycle import FINAL
from sjs.gateway.records.events import span, touch
from sjs.gateway.records.sweeps import remove_empty
from sjs.gateway.records.tables import artifacts, batches, deliveries, events, jobs, keys, outputs, steps
from sjs.values import dataclass

PAGE = 200
"""Rows that are looked at, and removed, at a time."""

COLLECTING = ("wanted", "kept")
"""How far what a job leaves was collected, as long as there is something to do about it."""

REMOVED = "artifacts: removed in time, as the gateway is told to"
"""What is said of a job whose artifacts are not all there any more."""


@dataclass(frozen=True)
class Keep:
    """For how many days, how many, and how many bytes of them; 0 is for ever, and all. Jobs that have ended, with what
    they have printed and left; that also by itself; events; what was done with items; keys of requests, of which there
    are so many that only who floods the gateway with them comes to the end. `dry`: only say what would go."""

    days: float = 90.0
    jobs: int = 1_000_000
    output_days: float = 0.0
    output_bytes: int = 4 << 30
    artifact_days: float = 0.0
    artifacts: int = 0
    artifact_bytes: int = 0
    event_days: float = 30.0
    events: int = 5_000_000
    step_days: float = 30.0
    steps: int = 5_000_000
    key_days: float = 7.0
    keys: int = 10_000_000
    dry: bool = False


@dataclass(frozen=True)
class Old:
    """Something that may go: when its row was made, and `since` when its days count; how many bytes; what it is in the
    store; whether it `is_free` to go."""

    id: int
    job: int
    made: float
    since: float
    size: int
    is_free: bool
    place: str = ""


_at_rest = and_(jobs.c.state.in_(FINAL), jobs.c.kept.not_in(COLLECTING))
_in_hand = select(batches.c.id).where(batches.c.id == jobs.c.batch).exists()
_printed = func.length(outputs.c.out) + func.length(outputs.c.err)


def old_jobs(connection: Connection, after: int) -> Sequence[Old]:
    """Some jobs, in their order, behind this one."""
    found = select(jobs.c.id, jobs.c.created, jobs.c.ended, and_(_at_rest, ~_in_hand))
    rows = connection.execute(found.where(jobs.c.id > after).order_by(jobs.c.id).limit(PAGE))
    return [Old(number, number, made, ended or made, 0, bool(free)) for number, made, ended, free in rows]


def old_outputs(connection: Connection, after: int) -> Sequence[Old]:
    """The same of what jobs have printed."""
    found = select(jobs.c.id, jobs.c.created, jobs.c.ended, _printed, _at_rest)
    found = found.join_from(outputs, jobs).where(outputs.c.job > after, _printed > 0)
    rows = connection.execute(found.order_by(outputs.c.job).limit(PAGE))
    return [Old(number, number, made, ended or made, size, bool(free)) for number, made, ended, size, free in rows]


def old_artifacts(connection: Connection, after: int) -> Sequence[Old]:
    """The same of artifacts."""
    what = (artifacts.c.id, artifacts.c.job, artifacts.c.created, artifacts.c.size, artifacts.c.place)
    found = select(*what, and_(jobs.c.state.in_(FINAL), jobs.c.kept != COLLECTING[0])).join_from(artifacts, jobs)
    rows = connection.execute(found.where(artifacts.c.id > after).order_by(artifacts.c.id).limit(PAGE))
    return [Old(one, job, made, made, size, bool(free), place) for one, job, made, size, place, free in rows]


def ended_jobs(connection: Connection) -> tuple[int, int]:
    """How many there are, and how many bytes."""
    return connection.scalar(select(func.count()).select_from(jobs).where(jobs.c.state.in_(FINAL))) or 0, 0


def all_outputs(connection: Connection) -> tuple[int, int]:
    count, size = connection.execute(select(func.count(), func.sum(_printed)).where(_printed > 0)).one()
    return count, int(size or 0)


def all_artifacts(connection: Connection) -> tuple[int, int]:
    count, size = connection.execute(select(func.count(), func.sum(artifacts.c.size))).one()
    return count, int(size or 0)


def old_steps(connection: Connection, after: int) -> Sequence[Old]:
    """The same of what was done with items."""
    found = select(steps.c.id, steps.c.time).where(steps.c.id > after).order_by(steps.c.id).limit(PAGE)
    return [Old(number, 0, time, time, 0, True) for number, time in connection.execute(found)]


def all_steps(connection: Connection) -> tuple[int, int]:
    return connection.scalar(select(func.count()).select_from(steps)) or 0, 0


def remove_steps(connection: Connection, numbers: Sequence[int]) -> int:
    """Some of that; how many."""
    return connection.execute(delete(steps).where(steps.c.id.in_(numbers))).rowcount


def places(connection: Connection, numbers: Sequence[int]) -> Sequence[tuple[int, str]]:
    """What is kept in the store of these jobs."""
    found = select(artifacts.c.job, artifacts.c.place).where(artifacts.c.job.in_(numbers))
    return [(job, place) for job, place in connection.execute(found)]


def remove_jobs(connection: Connection, numbers: Sequence[int]) -> int:
    """Their rows, and all that goes with these; how many."""
    touch(connection, numbers)
    gone = connection.execute(delete(jobs).where(jobs.c.id.in_(numbers), _at_rest)).rowcount
    remove_empty(connection, numbers)
    return gone


def remove_artifacts(connection: Connection, numbers: Sequence[int]) -> int:
    """Their rows; how many. That some are gone is said of their jobs, once: else what is left would pass for all."""
    whose = connection.scalars(select(artifacts.c.job).where(artifacts.c.id.in_(numbers)).distinct()).all()
    _change(connection, whose)
    lacks = or_(jobs.c.left_out.is_(None), jobs.c.left_out.not_like(f"%{REMOVED}"))
    said = func.coalesce(jobs.c.left_out.concat("\n"), "", type_=Text).concat(REMOVED)
    connection.execute(update(jobs).where(jobs.c.id.in_(whose), lacks).values(left_out=said))
    return connection.execute(delete(artifacts).where(artifacts.c.id.in_(numbers))).rowcount


def empty_outputs(connection: Connection, numbers: Sequence[int], why: str) -> int:
    """What these jobs have printed goes, and why that is so stays; of how many."""
    _change(connection, numbers)
    emptied = update(outputs).where(outputs.c.job.in_(numbers)).values(out=b"", err=b"", is_cut=False, lost=why)
    return connection.execute(emptied).rowcount


def _change(connection: Connection, numbers: Sequence[int]) -> None:
    connection.execute(update(jobs).where(jobs.c.id.in_(numbers)).values(version=jobs.c.version + 1))
    touch(connection, numbers)


def event_span(connection: Connection, before: float, most: int) -> tuple[int, int]:
    """The first event that is kept, and the last that is to go: older than this, or more than so many (0: all stay)."""
    first, last = span(connection)
    old = select(events.c.seq).where(events.c.time < before).order_by(events.c.time.desc()).limit(1)
    return first or 1, max(connection.scalar(old) or 0, last - most if most else 0)


def remove_events(connection: Connection, upto: int) -> int:
    """Up to this one, with what was given up of telling others of them; how many."""
    connection.execute(delete(deliveries).where(deliveries.c.event <= upto, deliveries.c.due.is_(None)))
    return connection.execute(delete(events).where(events.c.seq <= upto)).rowcount


def oldest_key(connection: Connection, most: int) -> float:
    """When the oldest of so many keys was kept, the newest of all; nothing where there are no more than these."""
    found = select(keys.c.created).order_by(keys.c.created.desc()).offset(most - 1).limit(1)
    return connection.scalar(found) or 0.0


def count_keys(connection: Connection, before: float) -> int:
    """How many are older."""
    return connection.scalar(select(func.count()).select_from(keys).where(keys.c.created < before)) or 0


def remove_keys(connection: Connection, before: float) -> int:
    """Some of those that are older, at most about a page; how many."""
    old = select(keys.c.created).where(keys.c.created < before).order_by(keys.c.created)
    edge = connection.scalar(old.limit(1).offset(PAGE - 1))
    which = keys.c.created < before if edge is None else keys.c.created <= edge
    return connection.execute(delete(keys).where(which)).rowcount


Look = Callable[[Connection, int], Sequence[Old]]
Total = Callable[[Connection], "tuple[int, int]"]
