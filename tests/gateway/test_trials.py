"""Jobs of sweeps, in memory: as true as the records, and read no more often than they change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, update
from sqlalchemy.exc import OperationalError

from sjs.compact import to_json
from sjs.gateway.records import sweeps
from sjs.gateway.records.failing import Unavailable
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from sjs.gateway.records.tables import jobs
from sjs.gateway.trials import EACH, FEW, Trials, Tried
from tests.live.machine import DEADLINE


def row(number: int, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """A job of a sweep as the records have it."""
    body = to_json({"command": "x", "task": {"sweep": "s", "number": number, "values": {"n": str(number)}}})
    ended = 5.0 if state == "succeeded" else None
    where = {"owner": "ann", "origin": "api", "word": "a", "target": "a", "number": number, "attempt": 1}
    times = {"created": 1.0, "begun": 2.0, "ended": ended}
    return {"id": number, "body": body, "state": state, **where, **times, **more}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = engine_of(f"sqlite:///{tmp_path}/g.db")
    with owned(engine):
        migrate(engine)
        with engine.begin() as connection:
            connection.execute(insert(jobs), [row(number) for number in range(1, 2_001)])
        yield engine
    engine.dispose()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each question has read."""
    found: list[int] = []
    tried = sweeps.tried

    def counted(*args: Any) -> Any:
        rows = tried(*args)
        found.append(len(rows))
        return rows

    monkeypatch.setattr(sweeps, "tried", counted)
    return found


def states(found: Tried) -> dict[int, str]:
    return {one.row.job: one.row.state for one in found.trials}


def fails(engine: Engine, number: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == number).values(state="failed"))


def test_only_what_has_changed_is_read_again(engine: Engine, read: list[int]) -> None:
    trials = Trials(engine)
    first = trials.get((1, 1_000))
    assert len(first.trials) == 1_000 and read == [1_000]
    assert trials.get((1, 1_000)) is first and trials.here((1, 1_000)) is first
    trials.forget([1_001, 5_000])  # of others
    assert trials.get((1, 1_000)) is first and read == [1_000]
    fails(engine, 7)
    fails(engine, 1_000)
    trials.forget([7, 1_000])
    assert trials.here((1, 1_000)) is None
    second = trials.get((1, 1_000))
    assert second is not first and read == [1_000, 2]
    assert {number for number, state in states(second).items() if state == "failed"} == {7, 1_000}
    assert [one.row.job for one in second.trials] == list(range(1, 1_001))
    assert states(first)[7] == "succeeded"  # who has it still reads what was so
    trials.forget(range(1, FEW + 2))
    assert len(trials.get((1, 1_000)).trials) == 1_000 and read[2:] == [1_000]


def test_sweeps_side_by_side_are_told_apart(engine: Engine, read: list[int]) -> None:
    trials = Trials(engine)
    spans = [(11, 20), (1, 10), (21, 21), (30, 40)]
    for span in spans:
        trials.get(span)
    read.clear()
    for number, stale in ((1, (1, 10)), (10, (1, 10)), (11, (11, 20)), (20, (11, 20)), (21, (21, 21)), (40, (30, 40))):
        trials.forget([number])
        assert [span for span in spans if trials.here(span) is None] == [stale]
        trials.get(stale)
    trials.forget([22, 29, 41])
    assert all(trials.here(span) is not None for span in spans) and read == [1] * 6


def test_what_changes_while_it_is_read_is_read_again(
    engine: Engine, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = Trials(engine)
    tried = sweeps.tried

    def overtaken(*args: Any) -> Any:
        rows = tried(*args)
        fails(engine, 3)
        trials.forget([3])
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(sweeps, "tried", overtaken)
        assert states(trials.get((1, 10)))[3] == "succeeded"
    assert trials.here((1, 10)) is None
    assert states(trials.get((1, 10)))[3] == "failed" and read == [10, 1]


def test_what_could_not_be_read_is_asked_for_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials(engine)
    trials.get((1, 10))
    fails(engine, 3)
    trials.forget([3])

    def away(*args: Any) -> Any:
        raise OperationalError("", None, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(sweeps, "tried", away)
        for span in ((1, 10), (11, 20)):
            with pytest.raises(Unavailable):
                trials.get(span)
    assert states(trials.get((1, 10)))[3] == "failed"
    assert len(trials.get((11, 20)).trials) == 10


def test_jobs_that_are_forgotten_are_in_no_sweep(engine: Engine) -> None:
    trials = Trials(engine)
    trials.get((1, 10))
    with engine.begin() as connection:
        connection.execute(delete(jobs).where(jobs.c.id <= 4))
    trials.forget([1, 2, 3, 4])
    assert list(states(trials.get((1, 10)))) == [5, 6, 7, 8, 9, 10]


def test_no_more_than_so_much_is_kept(engine: Engine, read: list[int]) -> None:
    trials = Trials(engine, most=250 * EACH)
    for span in ((1, 100), (101, 200), (1, 100), (201, 300)):
        trials.get(span)
    assert trials.here((101, 200)) is None and trials.here((1, 100)) is not None  # who was asked for last stays
    read.clear()
    for _ in range(2):
        assert len(trials.get((1_001, 2_000)).trials) == 1_000
    assert read == [1_000, 1_000] and trials.here((1_001, 2_000)) is None
    trials.forget([1_500])
    assert len(trials.get((1, 100)).trials) == 100


def test_many_who_ask_at_a_time_have_it_read_once(engine: Engine, read: list[int]) -> None:
    trials = Trials(engine)
    with ThreadPoolExecutor(16) as pool:
        start = threading.Barrier(16)

        def ask() -> Tried:
            start.wait(DEADLINE)
            return trials.get((1, 1_000))

        asked: list[Callable[[], Tried]] = [pool.submit(ask).result for _ in range(16)]
        assert len({id(one()) for one in asked}) == 1
    assert read == [1_000]


def test_what_is_to_be_read_where_it_was_printed(engine: Engine) -> None:
    """What runs, and ends of which nobody knows yet; not what never ran, nor what is known."""
    with engine.begin() as connection:
        new = [
            row(3_001, "running"),
            row(3_002),
            row(3_003),
            row(3_004, "cancelled", attempt=0),
            row(3_005, "queued"),
            {**row(3_006, "failed"), "target": None, "number": None},
        ]
        connection.execute(insert(jobs), new)
        sweeps.keep(connection, {3_003: (1, {"loss": 0.5})})
    found = Trials(engine).get((3_001, 3_006))
    assert [one.row.job for one in found.unread] == [3_001, 3_002]
    assert [one.row.seconds for one in found.trials] == [None, 3.0, 3.0, None, None, None]
    assert found.trials[2].row.metrics == {"loss": 0.5}
