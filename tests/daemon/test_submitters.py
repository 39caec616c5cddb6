"""Who stands between a queue and those who may use a part of it says for whom he asks; the queue sees to the rest."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.daemon.manager import subjects
from sjs.errors import BadRequest, Full, Refused
from tests.daemon.queues import Queue, make


def bring(queue: Queue, name: str, count: int, **more: Any) -> list[int]:
    jobs = [{"command": "true"} for _ in range(count)]
    reply = queue.ask("submit", jobs=jobs, submitter=name, **more)
    return list(range(reply["first"], reply["first"] + reply["count"]))


@pytest.fixture
def queue() -> Queue:
    """Jobs 0 and 1 are alice's, of which 0 runs; 2 and 3 are bob's; nobody says whose 4 is."""
    found = make(1)
    bring(found, "alice", 2)
    bring(found, "bob", 2)
    found.submit("true")
    assert found.start_all() == ["0.1"]
    return found


def states(queue: Queue) -> list[str]:
    return [queue.job(number).state for number in range(5)]


def test_the_record_says_who_brought_it(queue: Queue) -> None:
    shown = [one.get("submitter") for one in queue.ask("list")["jobs"]]
    assert shown == ["alice", "alice", "bob", "bob", None]


def test_it_outlives_the_attempt_and_the_next_one(queue: Queue) -> None:
    queue.end("0.1", exit=1)
    queue.ask("again", jobs=[[0, 0]])
    assert queue.job(0).submitter == "alice"


@pytest.mark.parametrize("op", ["cancel", "hold", "release", "again", "pause", "resume", "clean"])
def test_others_jobs_are_left_alone(queue: Queue, op: str) -> None:
    before = states(queue)
    for jobs in ([[2, 3]], [[4, 4]]):
        with pytest.raises(Refused, match="none of these jobs was brought by alice"):
            queue.ask(op, jobs=jobs, submitter="alice")
    assert (states(queue), queue.ledger.live[0].grace, queue.ledger.live[0].paused) == (before, None, None)


def test_of_a_range_only_ones_own_are_changed(queue: Queue) -> None:
    assert queue.ask("hold", jobs=[[0, 4]], submitter="bob")["changed"] == [(2, 3)]
    assert states(queue) == ["starting", "queued", "held", "held", "queued"]
    assert queue.ask("release", jobs=[[0, 4]], submitter="alice")["changed"] == []
    assert queue.ask("release", jobs=[[0, 4]], submitter="bob")["changed"] == [(2, 3)]


def test_all_jobs_are_all_ones_own(queue: Queue) -> None:
    reply = queue.ask("cancel", jobs=None, submitter="alice")
    assert (reply["cancelled"], reply["stopping"]) == ([(1, 1)], [(0, 0)])
    assert states(queue) == ["starting", "cancelled", "queued", "queued", "queued"]
    queue.end("0.1")
    assert queue.ask("again", jobs=None, submitter="alice")["changed"] == [(0, 1)]
    queue.ask("cancel", jobs=[[0, 1]])
    queue.ask("clean", jobs=None, submitter="alice")
    assert queue.ledger.retention.unwanted(9) == [0, 1]


def test_to_pause_all_is_to_pause_ones_own_and_not_the_queue(queue: Queue) -> None:
    assert queue.ask("pause", jobs=None, submitter="bob") == {"changed": [], "next": None, "paused": False}
    queue.ledger.on_started("0.1", 9, 2.0)
    assert queue.ask("pause", jobs=None, submitter="alice")["changed"] == [(0, 0)]
    assert not queue.ledger.gates.paused


def test_only_so_many_may_be_there_at_a_time(queue: Queue) -> None:
    with pytest.raises(Full, match="alice may have 3 jobs that have not ended, and has 2"):
        bring(queue, "alice", 2, most=3)
    assert bring(queue, "alice", 1, most=3, key="k/0") == [5]
    assert bring(queue, "alice", 1, most=3, key="k/0") == [5]  # they were taken before
    queue.end("0.1")
    assert bring(queue, "alice", 1, most=3) == [6]


def test_the_output_of_others_is_theirs(queue: Queue) -> None:
    assert queue.ask("output", job=1, submitter="alice")["record"]["id"] == 1
    for job in (2, 4):
        with pytest.raises(Refused, match=f"job {job} was not brought by alice"):
            queue.ask("output", job=job, submitter="alice")
    assert queue.ask("output", job=2)["record"]["id"] == 2


def test_a_request_stays_small(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "MANY", 1)
    with pytest.raises(Refused, match="more than 1 jobs of bob at once"):
        queue.ask("hold", jobs=[[0, 4]], submitter="bob")
    assert queue.ask("hold", jobs=[[0, 2]], submitter="bob")["changed"] == [(2, 2)]


@pytest.mark.parametrize("name", ["", 7, ["alice"]])
def test_nonsense_is_no_name(queue: Queue, name: Any) -> None:
    with pytest.raises(BadRequest, match="'submitter' must be a non-empty string"):
        queue.ask("cancel", jobs=None, submitter=name)


def test_what_this_manager_can_is_said_in_its_greeting(queue: Queue) -> None:
    assert queue.handlers.hello()["hello"]["submitters"] is True
