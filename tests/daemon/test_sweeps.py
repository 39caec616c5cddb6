"""Which jobs are of which sweep, and how many of them are in which state: kept, and never counted."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sjs.core.job import Task
from sjs.core.lifecycle import STATES
from sjs.daemon.manager import sweeps
from sjs.errors import BadRequest
from tests.daemon.queues import Queue, make


def bring(queue: Queue, sweep: str, *values: str, **more: Any) -> None:
    jobs = [
        {"command": value, "task": {"sweep": sweep, "number": number, "values": {"x": value}}, **more}
        for number, value in enumerate(values, 1)
    ]
    queue.ask("submit", jobs=jobs)


def counts(queue: Queue, sweep: str) -> dict[str, int]:
    found = queue.ask("sweeps", sweep=sweep)["sweeps"]
    return dict(found[0]["counts"]) if found else {}


@pytest.fixture
def queue() -> Queue:
    """Jobs 0, 1 and 3 are of sweep a, 4 and 5 of b; 2 is of none."""
    found = make(2)
    bring(found, "a", "1", "2")
    found.submit("true")
    bring(found, "a", "3")
    bring(found, "b", "1", "2")
    return found


def test_each_sweep_is_told_of_with_its_numbers(queue: Queue) -> None:
    reply = queue.ask("sweeps")
    assert [(one["name"], one["counts"]) for one in reply["sweeps"]] == [("a", {"queued": 3}), ("b", {"queued": 2})]
    assert reply["next"] is None
    assert queue.ask("sweeps", sweep="b")["sweeps"] == [reply["sweeps"][1]]
    assert queue.ask("sweeps", sweep="none")["sweeps"] == []


def test_the_numbers_follow_each_change_of_a_state(queue: Queue) -> None:
    queue.start_all()
    assert counts(queue, "a") == {"queued": 1, "starting": 2}
    queue.end("0.1")
    queue.end("1.1", exit=1)
    queue.ask("hold", jobs=[[3, 3]])
    queue.ask("cancel", jobs=[[4, 5]])
    assert counts(queue, "a") == {"succeeded": 1, "failed": 1, "held": 1}
    assert counts(queue, "b") == {"cancelled": 2}
    queue.ask("again", jobs=[[1, 1]])
    assert counts(queue, "a") == {"succeeded": 1, "queued": 1, "held": 1}


def test_they_are_what_counting_finds_and_stay_when_records_go(queue: Queue) -> None:
    queue.start_all()
    queue.end("0.1")
    for state in STATES:
        one = dict.fromkeys([state], sum(queue.job(number).state == state for number in (0, 1, 3)))
        assert counts(queue, "a").get(state, 0) == one[state]
    queue.store.remove([0])
    assert counts(queue, "a")["succeeded"] == 1


def test_when_it_began_is_known_while_a_record_tells(queue: Queue) -> None:
    queue.store._db.execute("UPDATE jobs SET submitted = id")
    assert [queue.store.sweep("a").began, queue.store.sweep("a").grew] == [0, 3]
    queue.store.remove([0, 1])
    assert [queue.store.sweep("a").began, queue.store.sweep("a").grew] == [3, 3]
    queue.store.remove([3])
    assert queue.store.sweep("a").began is None


def test_its_jobs_are_named_with_what_they_try(queue: Queue) -> None:
    reply = queue.ask("members", sweep="a", settings=True)
    assert reply == {
        "jobs": [(0, 1), (3, 3)],
        "settings": [Task("a", 1, (("x", value),)).setting for value in "123"],
        "next": None,
    }
    assert queue.ask("members", sweep="a") == {"jobs": [(0, 1), (3, 3)], "next": None}
    queue.start_all()
    assert queue.ask("members", sweep="a", states=["starting"])["jobs"] == [(0, 1)]
    assert queue.ask("members", sweep="none") == {"jobs": [], "next": None}


def test_many_come_page_by_page(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "MEMBERS", 2)
    monkeypatch.setattr(sweeps, "SWEEPS", 1)
    queue.start_all()  # the pages are in the order of ids, whatever the states
    first = queue.ask("members", sweep="a")
    assert first == {"jobs": [(0, 1)], "next": 1}
    assert queue.ask("members", sweep="a", after=1) == {"jobs": [(3, 3)], "next": None}
    page = queue.ask("sweeps")
    assert ([one["name"] for one in page["sweeps"]], page["next"]) == (["a"], "a")
    assert [one["name"] for one in queue.ask("sweeps", after="a")["sweeps"]] == ["b"]
    assert queue.ask("sweeps", after="b") == {"sweeps": [], "next": None}


@pytest.mark.parametrize("states", [None, ["queued", "starting"]])
def test_lists_can_be_of_one_sweep(queue: Queue, states: list[str] | None) -> None:
    queue.start_all()
    assert [job["id"] for job in queue.ask("list", sweep="a", states=states)["jobs"]] == [0, 1, 3]
    assert [job["id"] for job in queue.ask("list", sweep="a", states=states, newest=True, limit=2)["jobs"]] == [1, 3]
    assert [job["id"] for job in queue.ask("list", sweep="b", name="x*")["jobs"]] == []


@pytest.mark.parametrize("op", ["list", "members", "sweeps"])
def test_what_no_sweep_can_be_called_is_refused(queue: Queue, op: str) -> None:
    with pytest.raises(BadRequest, match="'sweep' must be the name of a sweep"):
        queue.ask(op, sweep="all")


def test_neither_numbers_nor_members_look_at_every_job(tmp_path: Path) -> None:
    path = str(tmp_path / "db")
    queue = make(2, path)
    bring(queue, "a", *map(str, range(50)))
    queue.store.commit()
    seen: list[str] = []
    queue.store._db.set_trace_callback(seen.append)
    counts(queue, "a")
    queue.ask("members", sweep="a", states=["failed"])
    queue.ask("list", sweep="a", states=["failed"])
    queue.store._db.set_trace_callback(None)
    asked = [sql for sql in seen if sql.startswith("SELECT")]
    assert len(asked) >= 5
    for sql in asked:
        plan = " ".join(row[3] for row in queue.store._db.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "SCAN" not in plan, sql
    assert isinstance(queue.store._db, sqlite3.Connection)
