"""What follows for a sweep from how its jobs stand, in each of the databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from sjs.gateway.engine.courses import Step, go_on, stops
from sjs.gateway.records import attempts, courses, jobs, sweeps
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.events import begin
from sjs.gateway.records.jobs import CANCEL, HELD, RETRY, New, Taken
from sjs.gateway.records.sweeps import NewSweep
from sjs.gateway.records.tables import jobs as table
from sjs.values import replace


def made(engine: Engine, count: int, **course: Any) -> tuple[int, list[int]]:
    """A sweep of so many: its id, and those of its jobs."""
    new = [New("any", "{}", "s", rules="{}") for _ in range(count)]
    with engine.begin() as connection:
        changes = begin(connection)
        (taken,) = accept(connection, [Asked(new, "ann", "api", 1.0, sweep=NewSweep("s", "any", "[]", "{}", **course))])
        row = sweeps.get(connection, "ann", "s")
    assert isinstance(taken, Taken) and row is not None
    assert changes.attended == ({row.id} if row.attended else set())
    return row.id, list(range(taken.first, taken.first + count))


def now(engine: Engine, sweep: int, is_anew: bool = False) -> Step:
    with engine.begin() as connection:
        found = go_on(connection, sweep, 2.0, is_anew)
    return replace(found, again=list(found.again), waits=sorted(found.waits), at=sorted(found.at))


def step(is_moved: bool = False, waits: Sequence[str] = (), at: Sequence[str] = (), is_over: bool = False) -> Step:
    return Step(is_moved, [], list(waits), list(at), is_over)


def put(engine: Engine, numbers: Sequence[int], **values: Any) -> None:
    with engine.begin() as connection:
        for number in numbers:
            connection.execute(update(table).where(table.c.id == number).values(values))


def rows(engine: Engine, numbers: Sequence[int]) -> list[Row[Any]]:
    with engine.connect() as connection:
        return [row for number in numbers if (row := jobs.get(connection, number)) is not None]


def in_lanes(engine: Engine) -> list[int]:
    """Those that a lane would hand in now."""
    with engine.begin() as connection:
        jobs.form_batch(connection, "any", 1_000, 3.0, "k" * 32)
        found = list(connection.scalars(select(table.c.id).where(table.c.batch > HELD).order_by(table.c.id)))
        connection.execute(update(table).where(table.c.batch > HELD).values(batch=None, place=None))
        connection.exec_driver_sql("DELETE FROM batches")
    return found


def test_who_is_held_back_is_let_go_as_others_end(engine: Engine) -> None:
    sweep, all_ = made(engine, 5, most=2)
    assert in_lanes(engine) == []
    assert now(engine, sweep) == step(is_moved=True)
    assert in_lanes(engine) == all_[:2]
    assert now(engine, sweep) == step()  # the same again changes nothing
    put(engine, all_[:1], state="running", target="a", number=7)
    put(engine, all_[1:2], state="succeeded", target="a", number=8, attempt=1, ended=2.0, kept="done")
    assert now(engine, sweep) == step(is_moved=True, at=["a"])
    assert in_lanes(engine) == all_[2:3]
    with engine.begin() as connection:
        assert jobs.withdraw(connection, all_[3:4], 3.0) == all_[3:4]  # one that is held back
        assert attempts.retry_some(connection, all_[1:2], 3.0) == [None]  # it is held back from now on
        assert [place.job for place in jobs.unended(connection)] == all_[:1]
    (again,) = rows(engine, all_[1:2])
    assert (again.state, again.batch, again.wish, again.kept) == ("queued", HELD, "", "done")
    put(engine, all_[:1], state="failed", ended=3.0)
    found = now(engine, sweep)
    assert [(place.job, place.number, place.wish) for place in found.again] == [(all_[1], 8, RETRY)]
    told_again = now(engine, sweep, is_anew=True).again  # for whoever was told before may not have heard of it
    assert [place.job for place in told_again] == all_[1:2]
    put(engine, all_, state="succeeded", ended=4.0)
    assert [now(engine, sweep).is_over for _ in range(2)] == [True, True]
    with engine.connect() as connection:
        assert courses.attended(connection) == []


def test_one_that_is_held_back_to_run_again_and_cancelled_is_as_it_was(engine: Engine) -> None:
    sweep, all_ = made(engine, 2, most=1)
    put(engine, all_, state="failed", batch=None, target="a", number=3, attempt=2, ended=2.0, kept="done")
    with engine.begin() as connection:
        attempts.retry_some(connection, all_, 3.0)
        assert jobs.withdraw(connection, all_[:1], 3.0) == all_[:1]
    (first,) = rows(engine, all_[:1])
    assert (first.state, first.attempt, first.kept, first.wish) == ("cancelled", 2, "done", "")
    assert now(engine, sweep).is_moved and [row.wish for row in rows(engine, all_)] == ["", RETRY]


def test_after_failures_what_waits_has_ended_and_failures_count_anew(engine: Engine) -> None:
    sweep, all_ = made(engine, 6, failures="2")
    assert in_lanes(engine) == all_
    put(engine, all_[:2], state="failed", target="a", number=1, attempt=1, ended=2.0)
    put(engine, all_[2:3], state="running", target="a", number=2)
    put(engine, all_[3:4], target="b", number=1)
    put(engine, all_[4:5], batch=77)  # somebody is asked to take it
    assert now(engine, sweep) == step(is_moved=True, waits=["b"], at=["a", "b"])
    found = rows(engine, all_)
    assert [row.state for row in found] == ["failed", "failed", "running", "queued", "queued", "cancelled"]
    assert (found[4].wish, found[5].detail) == (CANCEL, "2 of 2 have failed")
    assert not now(engine, sweep).is_moved
    with engine.begin() as connection:
        row = courses.get(connection, sweep)
        assert row is not None and row.stopped == "2 of 2 have failed"
        assert courses.waiting_there(connection, row, "b") == [1]
        attempts.retry_some(connection, all_[5:], 3.0)
        row = courses.get(connection, sweep)
        assert row is not None and (row.stopped, row.old_failed, row.old_ended) == ("", 2, 2)
        assert stops(row, 3, 3) == "" and stops(row, 4, 5) == "2 of 3 have failed"


def test_which_sweep_a_job_is_of(engine: Engine) -> None:
    sweep, all_ = made(engine, 2, rule="median:loss")

    def of(connection: Connection, number: int) -> int | None:
        row = courses.of(connection, number)
        return None if row is None else int(row.id)

    with engine.connect() as connection:
        assert [of(connection, number) for number in (all_[0] - 1, *all_, all_[-1] + 1)] == [None, sweep, sweep, None]
        assert courses.judged(connection) == 1
        assert [row.id for row in courses.among(connection, all_[1:])] == [sweep]
        assert not courses.among(connection, [all_[-1] + 1]) and not courses.among(connection, [])
