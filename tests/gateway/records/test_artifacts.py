"""What is written of files that jobs leave, on each database."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, Engine, select, update

from sjs.core.job import End, Job, Spec
from sjs.gateway.artifacts.store import key_of, uuid_of
from sjs.gateway.records import artifacts, jobs, tables
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.artifacts import Artifact, Leaving
from sjs.gateway.records.jobs import New, Taken


def ended(connection: Connection, attempt: int = 1, state: str = "succeeded") -> Leaving:
    """A job of which something is to be collected."""
    (taken,) = accept(connection, [Asked([New("a", "{}", rules="{}")], "ann", "api", 1.0)])
    assert isinstance(taken, Taken)
    assert artifacts.leaving(connection, taken.first) is None
    record = Job(7, Spec("true"), state, 1.0, attempt, end=End("exit", 0))
    jobs.ended(connection, [(taken.first, "a", record)], 2.0)
    of = artifacts.leaving(connection, taken.first)
    assert of == Leaving(taken.first, "ann", "a", 7, attempt, state, "{}", "wanted")
    return of


def kept(of: Leaving, names: Sequence[str]) -> list[Artifact]:
    place = of.job, of.attempt
    return [Artifact(one, "text/plain", 1 << 40, "0" * 64, uuid_of(*place, one), key_of(*place, one)) for one in names]


def told(connection: Connection, job: int) -> list[str]:
    found = select(tables.events.c.kind).where(tables.events.c.job == job).order_by(tables.events.c.seq)
    return list(connection.scalars(found))


def test_each_is_there_once_however_often_it_is_said(engine: Engine) -> None:
    names = ["\u00e4/'%s\\", "A", "a", *(f"{n}" for n in range(artifacts.MANY + 2))]
    with engine.begin() as connection:
        of = ended(connection)
        artifacts.add(connection, of, kept(of, names[:2]), 3.0)
        artifacts.add(connection, of, kept(of, names), 4.0)
        artifacts.add(connection, of, kept(of, names), 5.0)
        assert artifacts.known(connection, of.job, 1) == {one.uuid for one in kept(of, names)}
        assert artifacts.known(connection, of.job, 2) == set()
        rows = artifacts.of_job(connection, of.job)
        assert [(row.name, row.size, row.created) for row in rows[:3]] == [
            (names[0], 1 << 40, 3.0),
            ("A", 1 << 40, 3.0),
            ("a", 1 << 40, 4.0),
        ]
        assert artifacts.get(connection, rows[1].id) == rows[1]
        assert told(connection, of.job).count("artifact.kept") == len(names) == len(rows)


def test_the_end_is_said_once_and_then_what_is_left_to_do(engine: Engine) -> None:
    with engine.begin() as connection:
        of = ended(connection)
        assert artifacts.waiting(connection) == [(of.job, "a")]
        for _ in range(2):
            artifacts.collected(connection, of, ["x: a link", "y: a link"], 3.0)
        row = jobs.get(connection, of.job)
        assert row is not None and artifacts.is_collected(row)
        assert (row.kept, row.left_out) == ("kept", "x: a link\ny: a link")
        assert artifacts.waiting(connection) == [(of.job, "a")]
        artifacts.done(connection, of)
        assert artifacts.waiting(connection) == [] and artifacts.leaving(connection, of.job) is None
        assert told(connection, of.job)[-2:] == ["job.ended", "job.collected"]


@pytest.mark.parametrize("changed", [{"attempt": 2}, {"state": "queued"}])
def test_nothing_is_said_of_an_attempt_that_is_not_the_last(engine: Engine, changed: dict[str, object]) -> None:
    with engine.begin() as connection:
        of = ended(connection)
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == of.job).values(changed))
        artifacts.collected(connection, of, [], 3.0)
        artifacts.done(connection, of)
        row = jobs.get(connection, of.job)
        assert row is not None and row.kept == "wanted"
        assert "job.collected" not in told(connection, of.job)


def test_what_never_ran_has_nothing_to_be_collected(engine: Engine) -> None:
    with engine.begin() as connection:
        (taken,) = accept(connection, [Asked([New("a", "{}", rules="{}")], "ann", "api", 1.0)])
        assert isinstance(taken, Taken)
        jobs.withdraw(connection, [taken.first], 2.0)
        assert artifacts.waiting(connection) == []
        row = jobs.get(connection, taken.first)
        assert row is not None and artifacts.is_collected(row)
