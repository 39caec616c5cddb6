"""What is written and read of sweeps. Their jobs' ids follow each other, so a sweep is a span of ids, and jobs need not
be told that they are its. Each function is work for the writer, or a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, select, tuple_

from sjs.compact import to_json
from sjs.core.lifecycle import STATES
from sjs.core.metrics import Number, to_wire
from sjs.gateway.records.events import attend, touch
from sjs.gateway.records.jobs import HELD
from sjs.gateway.records.tables import jobs, measured, sweeps
from sjs.values import dataclass

Span = tuple[int, int]
"""The ids of jobs, from one to another."""


@dataclass(frozen=True)
class NewSweep:
    """A sweep whose jobs are handed in. `names`: of its parameters; `said`: what was asked for; both as JSON; the rest
    as its table has it."""

    name: str
    word: str
    names: str
    said: str
    spec: str | None = None
    metric: str | None = None
    most: int | None = None
    failures: str | None = None
    rule: str | None = None

    @property
    def attended(self) -> bool:
        """Whether somebody has to see how it goes on."""
        return self.most is not None or self.failures is not None or self.rule is not None

    @property
    def batch(self) -> int | None:
        """In which its jobs are at first."""
        return None if self.most is None else HELD


def taken(connection: Connection, wanted: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these there are: owners, and names that they have given."""
    if not wanted:
        return set()
    name = (sweeps.c.owner, sweeps.c.name)
    return {(row[0], row[1]) for row in connection.execute(select(*name).where(tuple_(*name).in_(wanted)))}


def add(connection: Connection, new: Sequence[tuple[NewSweep, str, Span]], now: float) -> None:
    """Sweeps, whose they are, and their jobs."""
    rows = [
        {**vars(one), "owner": owner, "first": span[0], "last": span[1], "created": now, "attended": one.attended}
        for one, owner, span in new
    ]
    if rows:
        made = connection.scalars(insert(sweeps).returning(sweeps.c.id, sort_by_parameter_order=True), rows).all()
        for number, (one, _, _) in zip(made, new, strict=True):
            if one.attended:
                attend(connection, number)


def _count(state: str) -> Any:
    """In an index alone, however long the rows of jobs are."""
    inside = and_(jobs.c.state == state, jobs.c.id.between(sweeps.c.first, sweeps.c.last))
    return select(func.count()).where(inside).correlate(sweeps).scalar_subquery().label(f"in_{state}")


_SHOWN = [column for column in sweeps.c if column is not sweeps.c.said]
_COUNTS = [_count(state) for state in STATES]


def counts(row: Row[Any]) -> Mapping[str, int]:
    """How many of its jobs are in which state, of which there is a record."""
    found = {state: getattr(row, f"in_{state}") for state in STATES}
    return {state: count for state, count in found.items() if count}


def get(connection: Connection, owner: str, name: str) -> Row[Any] | None:
    """A sweep with its counts."""
    found = select(*sweeps.c, *_COUNTS).where(sweeps.c.owner == owner, sweeps.c.name == name)
    return connection.execute(found).one_or_none()


def page(connection: Connection, owner: str | None, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """Sweeps with their counts, the newest first; `owner` None: everybody's."""
    found: Select[Any] = select(*_SHOWN, *_COUNTS).order_by(sweeps.c.id.desc()).limit(limit)
    if owner is not None:
        found = found.where(sweeps.c.owner == owner)
    if before is not None:
        found = found.where(sweeps.c.id < before)
    return connection.execute(found).all()


def span(connection: Connection, owner: str, name: str) -> Span | None:
    """The jobs of the sweep that is called so."""
    found = select(sweeps.c.first, sweeps.c.last).where(sweeps.c.owner == owner, sweeps.c.name == name)
    row = connection.execute(found).one_or_none()
    return None if row is None else (row.first, row.last)


def count(connection: Connection) -> int:
    """How many there are."""
    return connection.scalar(select(func.count()).select_from(sweeps)) or 0


def members(connection: Connection, span: Span, states: Sequence[str]) -> Sequence[Row[Any]]:
    """Those of its jobs that are in these states: where each is."""
    found: Select[Any] = select(jobs.c.id, jobs.c.target, jobs.c.word, jobs.c.spec)
    return connection.execute(found.where(jobs.c.state.in_(states), jobs.c.id.between(*span)).order_by(jobs.c.id)).all()


def remove_empty(connection: Connection, gone: Sequence[int]) -> None:
    """Forget the sweeps all of whose jobs are gone, of which these were some."""
    if gone:
        some_gone = and_(sweeps.c.last >= min(gone), sweeps.c.first <= max(gone))
        left = select(jobs.c.id).where(jobs.c.id.between(sweeps.c.first, sweeps.c.last)).correlate(sweeps).exists()
        connection.execute(delete(sweeps).where(some_gone, ~left))


def tried(connection: Connection, span: Span, numbers: Sequence[int] | None = None) -> Sequence[Row[Any]]:
    """Its jobs, or these of them, with what they have printed (`found`) as far as that is known."""
    what = (jobs.c.id, jobs.c.target, jobs.c.number, jobs.c.attempt, jobs.c.state, jobs.c.body)
    times = (jobs.c.created, jobs.c.begun, jobs.c.ended)
    known = and_(measured.c.job == jobs.c.id, measured.c.attempt == jobs.c.attempt)
    found: Select[Any] = select(*what, *times, measured.c.found).outerjoin_from(jobs, measured, known)
    those = jobs.c.id.between(*span) if numbers is None else jobs.c.id.in_(numbers)
    return connection.execute(found.where(those).order_by(jobs.c.id)).all()


def keep(connection: Connection, new: Mapping[int, tuple[int, Mapping[str, Number]]]) -> None:
    """Note what attempts have printed that have ended: of each job which one, and its numbers."""
    connection.execute(delete(measured).where(measured.c.job.in_(new)))
    there = connection.scalars(select(jobs.c.id).where(jobs.c.id.in_(new))).all()
    rows = [
        {"job": job, "attempt": attempt, "found": to_json({name: to_wire(value) for name, value in values.items()})}
        for job, (attempt, values) in new.items()
        if job in there
    ]
    if rows:
        connection.execute(insert(measured), rows)
    touch(connection, new)
