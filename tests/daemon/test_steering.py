"""Requests that hold jobs back, let them go, run them again, let them stand still, and shut the whole queue."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.schedule import Pause, plan
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.pending import AGAIN, PIECE
from sjs.errors import BadRequest, Full, UnknownJob
from tests.daemon import queues
from tests.daemon.queues import NOW, Queue


def states(queue: Queue) -> list[str]:
    return [queue.job(number).state for number in range(queue.ledger.next_id)]


def family(queue: Queue, kind: str) -> None:
    """A job and another that waits for it."""
    queue.submit("a")
    queue.ask("submit", jobs=[{"command": "b", "after": [[kind, [[0, 0]]]]}])


def turn(queue: Queue) -> None:
    queue.ledger.work(NOW.wall)


def test_what_is_held_starts_when_it_is_released(queue: Queue) -> None:
    queue.submit("a", "b", "c")
    assert queue.ask("hold", jobs=[[0, 0], [2, 2]]) == {"changed": [(0, 0), (2, 2)], "next": None}
    assert queue.start_all() == ["1.1"]
    assert queue.ask("release", jobs=[[0, 2]]) == {"changed": [(0, 0), (2, 2)], "next": None}
    assert queue.start_all() == ["0.1"]
    assert queue.ask("hold", jobs=[[0, 1]])["changed"] == [], "what runs is not held"


def test_many_are_held_in_pieces(queue: Queue) -> None:
    queue.ledger.submit(None, queues.specs(*["a"] * (PIECE + 2)), 1.0)
    assert queue.ask("hold") == {"changed": [(0, PIECE - 1)], "next": PIECE - 1}
    assert queue.ask("hold", after=PIECE - 1) == {"changed": [(PIECE, PIECE + 1)], "next": None}


def test_a_job_that_was_handed_in_held_waits_for_its_time_after_the_release(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "a", "hold": True, "at": NOW.wall + 50}])
    queue.ask("release")
    assert states(queue) == ["waiting"]
    queue.ledger.work(NOW.wall + 50)
    assert states(queue) == ["queued"]


def test_what_has_ended_runs_again_and_its_attempts_are_kept(queue: Queue) -> None:
    queue.submit("a", "b")
    queue.start_all()
    queue.end("0.1", exit=3)
    queue.end("1.1")
    assert queue.ask("again", jobs=[[0, 0]]) == {"changed": [(0, 0)], "next": None}
    job = queue.job(0)
    assert (job.state, job.attempt, job.end, job.started) == ("queued", 1, None, None)
    assert queue.start_all() == ["0.2"]
    queue.end("0.2")
    assert states(queue) == ["succeeded", "succeeded"]
    (first,) = queue.store.attempts(0)
    assert (first["attempt"], first["exit"]) == (1, 3)
    assert queue.ledger.counts["succeeded"] == 2
    assert queue.ledger.counts["failed"] == 0


def test_what_never_ran_leaves_no_attempt_behind(queue: Queue) -> None:
    queue.submit("a")
    queue.ask("cancel")
    queue.ask("again")
    assert (states(queue), queue.store.attempts(0)) == (["queued"], [])


def test_many_run_again_in_pieces_and_none_twice(queue: Queue) -> None:
    queue.ledger.submit(None, queues.specs(*["a"] * (AGAIN + 1)), 1.0)
    queue.ask("cancel")
    first = queue.ask("again")
    assert first == {"changed": [(0, AGAIN - 1)], "next": AGAIN - 1}
    queue.ask("cancel", jobs=[[0, 0]])
    assert queue.ask("again", after=first["next"]) == {"changed": [(AGAIN, AGAIN)], "next": None}


def test_who_runs_again_waits_for_its_parents_again(queue: Queue) -> None:
    family(queue, "ok")
    queue.start_all()
    queue.end("0.1", exit=1)
    turn(queue)
    assert states(queue) == ["failed", "cancelled"]
    assert queue.ask("again", jobs=[[1, 1]])["changed"] == [], "its parent has failed"
    assert queue.ask("again")["changed"] == [(0, 1)]
    assert states(queue) == ["queued", "waiting"]
    queue.start_all()
    queue.end("0.2")
    turn(queue)
    assert states(queue) == ["succeeded", "queued"]


def test_a_parent_that_runs_again_before_its_end_was_told_lets_nobody_go(queue: Queue) -> None:
    family(queue, "any")
    queue.start_all()
    queue.end("0.1", exit=1)
    queue.ask("again", jobs=[[0, 0]])
    turn(queue)
    assert states(queue) == ["queued", "waiting"]
    queue.start_all()
    queue.end("0.2", exit=1)
    turn(queue)
    assert states(queue) == ["failed", "queued"]


def test_a_parent_whose_record_is_gone_keeps_nobody(queue: Queue) -> None:
    family(queue, "ok")
    queue.start_all()
    queue.end("0.1", exit=1)
    turn(queue)
    queue.store.remove([0])
    assert queue.ask("again", jobs=[[1, 1]])["changed"] == [(1, 1)]
    assert queue.start_all() == ["1.1"]


def test_a_job_that_cannot_be_read_does_not_run_again(queue: Queue) -> None:
    queue.submit("a")
    queue.ask("cancel")
    queue.store._db.execute("UPDATE jobs SET spec = '{'")
    assert queue.ask("again") == {"changed": [], "next": None}


def test_who_is_run_again_by_hand_has_all_its_tries_anew(queue: Queue) -> None:
    """As it has when a manager after this one hears of the ends."""
    queue.ask("submit", jobs=[{"command": "a", "retry": {"count": 1}}])
    for attempt in (1, 2, 3, 4, 5):
        if attempt in (3, 5):
            assert states(queue) == ["failed"]
            queue.ask("again", jobs=[[0, 0]])
        assert queue.start_all() == [f"0.{attempt}"]
        assert queue.job(0).retried == (attempt - 1) // 2 * 2
        end_by = queue._replace(ledger=Ledger(queue.store)) if attempt == 5 else queue
        end_by.end(f"0.{attempt}", exit=1)
    assert states(queue) == ["queued"]


def pauses(queue: Queue) -> list[tuple[int, bool]]:
    """What the keeper would be told, once."""
    found = [(one.job_id, one.still) for one in plan(queue.ledger.snapshot(True)) if isinstance(one, Pause)]
    for job_id, _ in found:
        queue.ledger.live[job_id].pause_told = True
    return found


def test_running_jobs_stand_still_and_go_on(queue: Queue) -> None:
    queue.submit("a", "b", "c")
    queue.start_all()
    assert queue.ask("pause", jobs=[[0, 0], [2, 2]])["changed"] == [(0, 0)]
    assert (pauses(queue), pauses(queue)) == ([(0, True)], [])
    assert queue.ask("pause", jobs=[[0, 1]])["changed"] == [(1, 1)]
    assert queue.ask("list", jobs=[[0, 0]])["jobs"][0]["paused"] is True
    assert queue.ask("resume", jobs=[[0, 0]])["changed"] == [(0, 0)]
    assert pauses(queue) == [(0, False), (1, True)]


def test_the_next_manager_tells_the_keeper_again(queue: Queue) -> None:
    queue.submit("a", "b")
    queue.start_all()
    queue.ask("pause", jobs=[[0, 1]])
    queue.ask("resume", jobs=[[1, 1]])
    pauses(queue)
    assert pauses(queue._replace(ledger=Ledger(queue.store))) == [(0, True), (1, False)]


def test_a_new_attempt_does_not_stand_still(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "a", "on_lost": "requeue"}])
    queue.start_all()
    queue.ask("pause", jobs=[[0, 0]])
    queue.end("0.1", reason="host-lost", exit=None)
    assert queue.start_all() == ["0.2"]
    assert (pauses(queue), queue.job(0).paused) == ([], False)


def test_a_whole_manager_stands_still_and_goes_on(queue: Queue) -> None:
    queue.submit("a", "b", "c")
    queue.start_all()
    assert queue.ask("pause") == {"changed": [(0, 1)], "next": None, "paused": True}
    assert Ledger(queue.store).gates.reasons == ["the manager is paused; resume it"]
    assert queue.ask("resume") == {"changed": [(0, 1)], "next": None, "paused": False}
    assert queue.ledger.gates.reasons == []


def test_a_drained_manager_says_so_and_has_no_free_slot(queue: Queue) -> None:
    assert queue.ask("drain") == {"drained": True}
    assert queue.ask("report")["drained"] is True
    assert Ledger(queue.store).gates.drained
    with pytest.raises(Full):
        queue.ask("submit", jobs=[{"command": "a"}], if_free=True)
    assert queue.submit("a") == [0]
    assert queue.ask("undrain") == {"drained": False}
    assert not Ledger(queue.store).gates.drained


def test_a_signal_goes_to_what_runs_and_ends_nothing(queue: Queue) -> None:
    queue.submit("a", "b", "c")
    queue.start_all()
    reply = queue.ask("cancel", jobs=[[1, 2]], signal=10)
    assert reply == {"signalled": [(1, 1)], "cancelled": [], "stopping": [], "ended": [], "next": None}
    assert queue.ledger.signals == [(1, 10)]
    assert states(queue) == ["starting", "starting", "queued"]


@pytest.mark.parametrize(
    ("op", "fields", "error"),
    [
        ("hold", {"jobs": [[0, 9]]}, UnknownJob),
        ("release", {"jobs": 7}, BadRequest),
        ("again", {"after": "x"}, BadRequest),
        ("pause", {"jobs": [[5, 5]]}, UnknownJob),
        ("cancel", {"signal": 65}, BadRequest),
        ("cancel", {"signal": "KILL"}, BadRequest),
        ("cancel", {"note": 7}, BadRequest),
        ("cancel", {"note": "x" * 1001}, BadRequest),
    ],
)
def test_what_makes_no_sense_is_refused(queue: Queue, op: str, fields: dict[str, Any], error: type[Exception]) -> None:
    queue.submit("a")
    with pytest.raises(error):
        queue.ask(op, **fields)
    assert states(queue) == ["queued"]
