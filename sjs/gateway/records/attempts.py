"""Jobs that are to run from now on: again, or since there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from sjs.core.lifecycle import FINAL, QUEUED
from sjs.errors import Conflict
from sjs.gateway.records import courses
from sjs.gateway.records.events import tell, touch
from sjs.gateway.records.jobs import HELD, RETRIED, RETRY, WANTED, Place
from sjs.gateway.records.tables import jobs


def retry(connection: Connection, number: int, now: float) -> Place | None:
    """Have a job that has ended run again; where it is, if it is anywhere. Conflict if it has not ended."""
    found = retry_some(connection, [number], now)
    if not found:
        raise Conflict(f"job {number} has not ended", "cancel it first, or wait for its end")
    return found[0]


def retry_some(connection: Connection, numbers: Sequence[int], now: float) -> Sequence[Place | None]:
    """The same of those of these jobs that have ended. Those of a sweep that has only so many at a time are held back
    until it is their turn."""
    ended = select(jobs.c.id, jobs.c.owner, jobs.c.target, jobs.c.number, jobs.c.attempt)
    rows = connection.execute(ended.where(jobs.c.id.in_(numbers), jobs.c.state.in_(FINAL))).all()
    found = courses.among(connection, [row.id for row in rows])
    held = {row.id for row in rows for one in found if one.most is not None and one.first <= row.id <= one.last}
    if held:
        connection.execute(update(jobs).where(jobs.c.id.in_(held)).values(_AGAIN | {"batch": HELD, "place": None}))
    at_once = [row for row in rows if row.id not in held]
    if at_once:
        connection.execute(update(jobs).where(jobs.c.id.in_([row.id for row in at_once])).values(_GO))
    tell(connection, RETRIED, now, [(row.id, row.owner, {"attempt": row.attempt}) for row in rows])
    for one in found:
        courses.begin_anew(connection, one)
    return [
        None if row.target is None or row.id in held else Place(row.id, row.target, row.number, RETRY, row.attempt)
        for row in rows
    ]


def release(connection: Connection, numbers: Sequence[int]) -> Sequence[Place]:
    """Hold these back no longer; where those are that are to run again."""
    connection.execute(update(jobs).where(jobs.c.id.in_(numbers)).values(_GO))
    touch(connection, numbers)
    return _again(connection, jobs.c.id.in_(numbers))


def again(connection: Connection, first: int, last: int) -> Sequence[Place]:
    """Where those between these ids are whose target is to be told that they run again."""
    return _again(connection, jobs.c.id.between(first, last))


def _again(connection: Connection, those: ColumnElement[bool]) -> Sequence[Place]:
    found = select(jobs.c.id, jobs.c.target, jobs.c.number, jobs.c.wish, jobs.c.attempt)
    rows = connection.execute(found.where(those, jobs.c.wish == RETRY, jobs.c.target.is_not(None)))
    return [Place(*row) for row in rows]


_is_there = jobs.c.target.is_not(None)

_AGAIN = {
    "state": QUEUED,
    "wish": "",
    "ended": None,
    "exit": None,
    "signal": None,
    "reason": "",
    "detail": "",
    "version": jobs.c.version + 1,
}

_GO = _AGAIN | {
    "wish": case((_is_there, RETRY), else_=""),
    "kept": case((jobs.c.rules.is_not(None), WANTED), else_=""),
    "batch": case((and_(_is_there, jobs.c.batch != HELD), jobs.c.batch), else_=None),
    "place": case((and_(_is_there, jobs.c.batch != HELD), jobs.c.place), else_=None),
}
