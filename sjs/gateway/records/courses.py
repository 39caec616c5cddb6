"""How sweeps go on of which only so many jobs may be unended at a time, which are to stop after failures, or of which
those are ended that are behind: what of this is to be done follows from the rows alone, so whoever comes after a death
goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from sjs.core.lifecycle import BAD, CANCELLED, QUEUED, SUCCEEDED, UNENDED
from sjs.gateway.records.events import attend
from sjs.gateway.records.jobs import CANCEL, HELD, RETRY
from sjs.gateway.records.tables import jobs, sweeps

HAS_COURSE = or_(sweeps.c.most.is_not(None), sweeps.c.failures.is_not(None), sweeps.c.rule.is_not(None))


def attended(connection: Connection) -> Sequence[Row[Any]]:
    """The sweeps of which something is to be seen to."""
    return connection.execute(select(sweeps).where(sweeps.c.attended.is_(True)).order_by(sweeps.c.id)).all()


def judged(connection: Connection) -> int:
    """How many of these have a rule."""
    those = select(func.count()).where(sweeps.c.attended.is_(True), sweeps.c.rule.is_not(None))
    return connection.scalar(those) or 0


def get(connection: Connection, number: int) -> Row[Any] | None:
    """The row of a sweep; None where it was forgotten."""
    return connection.execute(select(sweeps).where(sweeps.c.id == number)).one_or_none()


def of(connection: Connection, job: int) -> Row[Any] | None:
    """The sweep of a job."""
    found = select(sweeps).where(sweeps.c.last >= job).order_by(sweeps.c.last).limit(1)
    row = connection.execute(found).one_or_none()
    return row if row is not None and row.first <= job else None


def among(connection: Connection, numbers: Sequence[int]) -> Sequence[Row[Any]]:
    """The sweeps with a course that some of these jobs are of."""
    if not numbers:
        return ()
    near = select(sweeps).where(sweeps.c.last >= min(numbers), sweeps.c.first <= max(numbers), HAS_COURSE)
    rows = connection.execute(near).all()
    return [row for row in rows if any(row.first <= number <= row.last for number in numbers)]


def begin_anew(connection: Connection, sweep: Row[Any]) -> None:
    """Some of its jobs run again: from now on failures are counted from those on that there are."""
    failed, ended = tally(connection, sweep)
    values = {"attended": True, "stopped": "", "old_failed": failed, "old_ended": ended}
    connection.execute(update(sweeps).where(sweeps.c.id == sweep.id).values(values))
    attend(connection, sweep.id)


def tally(connection: Connection, sweep: Row[Any]) -> tuple[int, int]:
    """How many of its jobs have failed, and how many have ended, as a sweep of the command line counts them."""
    failed = _count(connection, sweep, BAD)
    return failed, failed + _count(connection, sweep, (SUCCEEDED, CANCELLED))


def unended(connection: Connection, sweep: Row[Any]) -> int:
    """How many have not."""
    return _count(connection, sweep, UNENDED)


def _count(connection: Connection, sweep: Row[Any], states: Sequence[str]) -> int:
    inside = jobs.c.id.between(sweep.first, sweep.last)
    return sum(
        connection.scalar(select(func.count()).where(jobs.c.state == state, inside)) or 0
        for state in states  # each by itself: so an index alone has it
    )


def held(connection: Connection, sweep: Row[Any]) -> Sequence[int]:
    """Those that are held back, the first one first."""
    found = select(jobs.c.id).where(jobs.c.batch == HELD, jobs.c.word == sweep.word)
    inside = jobs.c.id.between(sweep.first, sweep.last)
    return connection.scalars(found.where(inside, jobs.c.state.in_(UNENDED)).order_by(jobs.c.id)).all()


def stop(connection: Connection, sweep: Row[Any], why: str) -> None:
    """No more of its jobs are to begin."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep.id).values(stopped=why))


def leave(connection: Connection, sweep: Row[Any]) -> None:
    """All of it has ended."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep.id).values(attended=False))


def waiting_here(connection: Connection, sweep: Row[Any]) -> Sequence[int]:
    """Those of which no target has been told yet, or not that they run again; without those that are cancelled."""
    here = or_(jobs.c.target.is_(None), jobs.c.wish == RETRY, jobs.c.batch == HELD)
    found = select(jobs.c.id).where(*_queued(sweep), here, jobs.c.wish != CANCEL)
    return connection.scalars(found.order_by(jobs.c.id)).all()


def waiting_at(connection: Connection, sweep: Row[Any]) -> Sequence[str]:
    """Which targets have some that wait there, as far as is known."""
    return connection.scalars(select(jobs.c.target).where(*_queued(sweep), *_THERE).distinct()).all()


def waiting_there(connection: Connection, sweep: Row[Any], target: str) -> Sequence[int]:
    """The ids there of those."""
    found = select(jobs.c.number).where(*_queued(sweep), *_THERE, jobs.c.target == target)
    return connection.scalars(found.order_by(jobs.c.number)).all()


def targets(connection: Connection, sweep: Row[Any]) -> Sequence[str]:
    """Who has some that have not ended."""
    inside = (jobs.c.id.between(sweep.first, sweep.last), jobs.c.state.in_(UNENDED), jobs.c.target.is_not(None))
    return connection.scalars(select(jobs.c.target).where(*inside).distinct()).all()


def _queued(sweep: Row[Any]) -> Sequence[Any]:
    return jobs.c.id.between(sweep.first, sweep.last), jobs.c.state == QUEUED


_THERE = (jobs.c.target.is_not(None), jobs.c.wish != RETRY, func.coalesce(jobs.c.batch, -1) != HELD)
