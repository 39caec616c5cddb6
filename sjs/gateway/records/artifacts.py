"""What is written and read of what jobs leave. Each function is work for the writer, or a question."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, select, update

from sjs.core.lifecycle import FINAL
from sjs.gateway.records.events import tell, touch
from sjs.gateway.records.jobs import WANTED
from sjs.gateway.records.tables import artifacts, jobs
from sjs.values import dataclass

KEPT, DONE = "kept", "done"
"""How far what a job leaves has been collected: all of it is kept; and its machine has removed it."""

ARTIFACT, COLLECTED = "artifact.kept", "job.collected"
"""Kinds of events."""

MANY = 500
"""Values in one question: databases know a limit."""


@dataclass(frozen=True)
class Leaving:
    """A job that has ended, of which something is to be collected, or removed where it was."""

    job: int
    owner: str
    target: str | None
    number: int
    attempt: int
    state: str
    rules: str
    kept: str


@dataclass(frozen=True)
class Artifact:
    """A file that is kept. `place`: its key in the store."""

    name: str
    mime: str
    size: int
    sha256: str
    uuid: str
    place: str


def waiting(connection: Connection) -> Sequence[tuple[int, str | None]]:
    """Jobs that have ended and about which something is left to do, and the targets where they were."""
    found = select(jobs.c.id, jobs.c.target).where(jobs.c.kept.in_((WANTED, KEPT)), jobs.c.state.in_(FINAL))
    return [(row.id, row.target) for row in connection.execute(found.order_by(jobs.c.id))]


def leaving(connection: Connection, number: int) -> Leaving | None:
    """What there is to do about a job, if there is something."""
    one = jobs.c
    found = select(one.id, one.owner, one.target, one.number, one.attempt, one.state, one.rules, one.kept)
    row = connection.execute(
        found.where(one.id == number, one.kept.in_((WANTED, KEPT)), one.state.in_(FINAL))
    ).one_or_none()
    return None if row is None else Leaving(*row)


def known(connection: Connection, job: int, attempt: int) -> set[str]:
    """The UUIDs of what is kept of an attempt."""
    found = select(artifacts.c.uuid).where(artifacts.c.job == job, artifacts.c.attempt == attempt)
    return set(connection.scalars(found))


def add(connection: Connection, of: Leaving, found: Sequence[Artifact], now: float) -> None:
    """These are kept. Those that were so before stay as they are."""
    there = _there(connection, [one.uuid for one in found])
    new = [one for one in found if one.uuid not in there]
    if new:
        rows = [{**vars(one), "job": of.job, "attempt": of.attempt, "created": now} for one in new]
        connection.execute(insert(artifacts), rows)
        told = ({"uuid": one.uuid, "name": one.name, "mime": one.mime, "size": one.size} for one in new)
        tell(connection, ARTIFACT, now, [(of.job, of.owner, one) for one in told])


def _there(connection: Connection, uuids: Sequence[str]) -> Collection[str]:
    parts = (uuids[start : start + MANY] for start in range(0, len(uuids), MANY))
    found = (connection.scalars(select(artifacts.c.uuid).where(artifacts.c.uuid.in_(part))) for part in parts)
    return {uuid for part in found for uuid in part}


def collected(connection: Connection, of: Leaving, left_out: Sequence[str], now: float) -> None:
    """All that is to be kept of a job is. `left_out`: what is not, in words."""
    values = {"kept": KEPT, "left_out": "\n".join(left_out) or None, "version": jobs.c.version + 1}
    if connection.execute(update(jobs).where(_still(of), jobs.c.kept == WANTED).values(values)).rowcount:
        of_it = (artifacts.c.job == of.job, artifacts.c.attempt == of.attempt)
        sizes = connection.scalars(select(artifacts.c.size).where(*of_it)).all()
        data = {"artifacts": len(sizes), "bytes": sum(sizes), "left_out": list(left_out)}
        tell(connection, COLLECTED, now, [(of.job, of.owner, data)])


def done(connection: Connection, of: Leaving) -> None:
    """Nothing of a job is left to do."""
    connection.execute(update(jobs).where(_still(of), jobs.c.kept == KEPT).values(kept=DONE))
    touch(connection, [of.job])


def _still(of: Leaving) -> ColumnElement[bool]:
    """It has not run, and is not to run, once more meanwhile."""
    return and_(jobs.c.id == of.job, jobs.c.attempt == of.attempt, jobs.c.state.in_(FINAL))


def of_job(connection: Connection, job: int) -> Sequence[Row[Any]]:
    """What is kept of a job, in the order of its paths."""
    return connection.execute(select(artifacts).where(artifacts.c.job == job).order_by(artifacts.c.id)).all()


def some(connection: Connection, job: int, attempt: int, after: int, limit: int) -> Sequence[Row[Any]]:
    """What is kept of an attempt, those behind a row, in the same order."""
    found = select(artifacts).where(artifacts.c.job == job, artifacts.c.id > after, artifacts.c.attempt == attempt)
    return connection.execute(found.order_by(artifacts.c.id).limit(limit)).all()


def called(connection: Connection, job: int, uuid: str) -> Row[Any] | None:
    """The row of what is kept of a job under this UUID."""
    return connection.execute(select(artifacts).where(artifacts.c.uuid == uuid, artifacts.c.job == job)).one_or_none()


def get(connection: Connection, number: int) -> Row[Any] | None:
    """The row of an artifact."""
    return connection.execute(select(artifacts).where(artifacts.c.id == number)).one_or_none()


def is_collected(row: Row[Any]) -> bool:
    """Whether nothing more will come of what a job that has ended has left. By the row of the job."""
    return bool(row.kept != WANTED)
