"""Requests that ask: why a job waits, all that is known of it, and lists of those that are wanted."""

from __future__ import annotations

from typing import Any

import pytest

from sjs import wire
from sjs.errors import BadRequest, UnknownJob
from tests.daemon.queues import NOW, Queue


def why(queue: Queue, number: int) -> list[str]:
    lines: list[str] = queue.ask("why", job=number)["why"]
    return lines


def test_why_a_job_waits(queue: Queue) -> None:
    queue.submit("a", "b", "c", "d")
    queue.ask("submit", jobs=[{"command": "first", "priority": 5}, {"command": "x", "hold": True}])
    assert why(queue, 3) == ["4 jobs are before it"]
    queue.start_all()
    assert why(queue, 3) == ["needs 1 slot, 0 are free", "2 jobs are before it"]
    assert why(queue, 4) == ["it is starting"]
    assert why(queue, 5) == ["held; release it"]
    queue.ask("drain")
    queue.handlers.condition.stopping = True
    queue.handlers.condition.trouble = "the disk is full"
    assert why(queue, 1) == [
        "the manager is stopping",
        "the manager is drained; undrain it",
        "the manager starts nothing now: the disk is full",
        "needs 1 slot, 0 are free",
    ]


def test_why_a_job_waits_for_others_and_a_time(queue: Queue) -> None:
    queue.submit(*"abcdefgh")
    queue.ask("submit", jobs=[{"command": "x", "after": [["notok", [[0, 0]]], ["ok", [[1, 7]]]], "at": NOW.wall + 9}])
    lines = why(queue, 8)
    assert lines[0] == "waits for job 0 to fail"
    assert lines[1:5] == [f"waits for job {number} to succeed" for number in range(1, 5)]
    assert lines[5] == "waits for 3 more jobs"
    assert lines[6].startswith("waits until ")
    queue.ask("cancel", jobs=[[0, 7]])
    queue.ledger.work(NOW.wall)
    assert why(queue, 8) == ["it has ended: cancelled: job 1, for which it was to wait, ended as cancelled"]


def test_why_of_what_there_is_not(queue: Queue) -> None:
    with pytest.raises(UnknownJob):
        queue.ask("why", job=0)


def test_details_are_all_that_is_known(queue: Queue) -> None:
    queue.submit("a")
    queue.ask("submit", jobs=[{"command": "b", "after": [["ok", [[0, 0]]]], "tags": {"k": "v"}}])
    queue.start_all()
    queue.end("0.1", exit=3, usage={"cpu": 1.5})
    queue.ask("again")
    queue.start_all()
    told = queue.ask("details", job=0)
    assert (told["job"]["state"], told["job"]["attempt"]) == ("starting", 2)
    assert [(one["attempt"], one["exit"], one["usage"]) for one in told["attempts"]] == [(1, 3, {"cpu": 1.5})]
    assert (told["parents"], told["children"]) == ([], [1])
    child = queue.ask("details", job=1)
    assert (child["parents"], child["children"]) == ([["ok", [(0, 0)]]], [])
    assert child["job"]["tags"] == {"k": "v"}


def test_the_report_counts_who_waits_and_who_is_held(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "a"}, {"command": "b", "hold": True}, {"command": "c", "at": NOW.wall + 9}])
    report = queue.ask("report")
    assert [report[name] for name in ("queued", "held", "waiting", "drained", "paused")] == [1, 1, 1, False, False]


def listed(queue: Queue, **fields: Any) -> list[int]:
    return [job["id"] for job in queue.ask("list", **fields)["jobs"]]


@pytest.fixture
def named(queue: Queue) -> Queue:
    jobs = [
        {"command": "0", "name": "lr-1", "tags": {"sweep": "a", "é": '"x"'}},
        {"command": "1", "name": "lr-2", "env": {"sweep": "a"}},
        {"command": "2"},
        {"command": "3", "name": "other", "tags": {"sweep": "a"}},
    ]
    queue.ask("submit", jobs=jobs)
    queue.start_all()
    queue.end("0.1", at=NOW.wall + 10)
    return queue


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"name": "lr-2"}, [1]),
        ({"name": "lr-*"}, [0, 1]),
        ({"name": "LR-*"}, []),
        ({"tag": ["sweep", "a"]}, [0, 3]),
        ({"tag": ["sweep", "b"]}, []),
        ({"tag": ["é", '"x"']}, [0]),
        ({"tag": ["sweep", "a"], "name": "l*", "states": ["succeeded"]}, [0]),
        ({"since": NOW.wall + 5}, [0]),
        ({"since": NOW.wall}, [0, 1, 2, 3]),
        ({"tag": ["sweep", "a"], "newest": True, "limit": 1}, [3]),
        ({"name": "lr-*", "jobs": [[1, 3]]}, [1]),
    ],
)
def test_lists_of_some(named: Queue, fields: dict[str, Any], found: list[int]) -> None:
    assert listed(named, **fields) == found


@pytest.mark.parametrize("fields", [{"name": 5}, {"tag": "a=b"}, {"tag": ["a"]}, {"since": "now"}, {"since": True}])
def test_filters_that_are_none(queue: Queue, fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        queue.ask("list", **fields)


@pytest.mark.parametrize("newest", [False, True])
def test_where_few_are_wanted_a_request_looks_at_so_many(
    named: Queue, newest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sjs.daemon.manager.explaining.LOOK", 2)
    seen: list[int] = []
    more: dict[str, Any] = {}
    for _ in range(2):
        page = named.ask("list", name="*r-*", newest=newest, jobs=[[0, 0], [1, 3]], **more)
        assert len(wire.encode(page)) < wire.MAX_LINE
        seen += [job["id"] for job in page["jobs"]]
        more = {"before" if newest else "after": page["next"]}
    assert (seen, page["next"]) == ([0, 1], None)


def test_an_environment_is_told_to_who_names_it(queue: Queue) -> None:
    name = "0123456789abcdef" * 4
    queue.ask("submit", jobs=[{"command": "a", "env_base": name}], envs={name: {"A": "1"}})
    assert queue.ask("environment", digest=name) == {"variables": {"A": "1"}}
    with pytest.raises(BadRequest, match="no environment ffff"):
        queue.ask("environment", digest="f" * 64)
