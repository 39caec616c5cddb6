"""Jobs that leave a queue for another one, and the queue to which they come."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.job import End, Snapshot, Spec
from sjs.core.lifecycle import STATES
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.moves import KEPT, TEXT
from sjs.errors import BadRequest, Conflict, Refused
from tests.daemon.queues import NOW, Queue, make

ALL = [[0, 99]]
KEY = "k/0"


@pytest.fixture
def queue() -> Queue:
    return make(0)


def submit(queue: Queue, *jobs: dict[str, Any], **more: Any) -> int:
    return int(queue.ask("submit", jobs=[{"command": str(n), **job} for n, job in enumerate(jobs)], **more)["first"])


def leave(queue: Queue, jobs: list[list[int]] | None = None, key: str = KEY) -> dict[str, Any]:
    wanted = [[0, queue.ledger.next_id - 1]] if jobs is None else jobs
    return queue.ask("move", key=key, to="there", jobs=wanted)


def states(queue: Queue) -> list[str]:
    return [queue.job(number).state for number in range(queue.ledger.next_id)]


def test_what_leaves_can_do_nothing_here_until_it_has_arrived(queue: Queue) -> None:
    submit(queue, {}, {"env": {"A": "1"}}, key="x/0-1", via="any:@gpus")
    reply = leave(queue)
    assert (reply["size"], reply["first"]) == (2, None)
    assert reply["jobs"] == [(0, {"command": "0"}), (1, {"command": "1", "env": {"A": "1"}})]
    assert leave(queue) == reply == queue.ask("move", key=KEY, to="there")
    queue.ledger.configure(4)
    assert queue.start_all() == []
    for op in ("cancel", "hold", "release", "again", "clean"):
        queue.ask(op)
    assert queue.ask("cancel", jobs=[[0, 1]])["moving"] == [(0, 1)]
    assert states(queue) == ["moving", "moving"]
    assert "on its way to there" in queue.ask("why", job=1)["why"][0]
    assert queue.ask("stop", if_idle=True)["queued"] == 2
    assert queue.ask("arrived", key=KEY, first=7)["changed"] == [(0, 1)]
    assert queue.ask("arrived", key=KEY, first=7)["changed"] == []
    assert [queue.job(number).end for number in (0, 1)] == [End("moved", detail=f"there:{one}") for one in (7, 8)]
    assert queue.job(0).via == "any:@gpus"
    assert queue.ask("again")["changed"] == []
    with pytest.raises(Conflict, match="there's now, from 7 on"):
        queue.ask("back", key=KEY)
    with pytest.raises(Conflict):
        queue.ask("arrived", key=KEY, first=8)
    assert queue.ledger.counts == {**dict.fromkeys(STATES, 0), "moved": 2}


def test_what_comes_back_is_in_its_old_place_and_its_key_is_used_up(queue: Queue) -> None:
    submit(queue, {}, {"hold": True}, {"at": NOW.wall + 50}, {}, {"priority": 1})
    reply = leave(queue, [[0, 2], [4, 4]])
    assert [body.get("hold", False) for _, body in reply["jobs"]] == [False, True, False, False]
    assert queue.ask("back", key=KEY)["changed"] == [(0, 2), (4, 4)]
    assert queue.ask("back", key=KEY)["changed"] == []
    assert states(queue) == ["queued", "held", "waiting", "queued", "queued"]
    assert queue.ledger.pending.next_due == NOW.wall + 50
    late = leave(queue)
    assert (late["first"], late["jobs"], states(queue)[0]) == (-1, [], "queued")
    with pytest.raises(Conflict, match="back here"):
        queue.ask("arrived", key=KEY, first=0)
    queue.ledger.configure(4)
    assert queue.start_all() == ["4.1", "0.1", "3.1"]


def test_who_ran_here_or_waits_for_others_or_is_waited_for_or_came_through_a_gate_stays(queue: Queue) -> None:
    queue.ledger.configure(1)
    submit(
        queue, {"retry": {"count": 1, "delay": 99.0}}, {}, {"after": [["ok", [[1, 1]]]]}, {"after": [["any", [[0, 0]]]]}
    )
    queue.start_all()
    queue.ledger.on_started("0.1", 5, 1.0)
    assert leave(queue)["jobs"] == []
    queue.end("0.1", exit=1)
    queue.ledger.configure(0)
    submit(queue, {}, submitter="alice")
    submit(queue, {})
    assert [number for number, _ in leave(queue, key="k/1")["jobs"]] == [5]
    assert states(queue) == ["waiting", "queued", "waiting", "waiting", "queued", "moving"]


def test_a_job_that_is_suspected_of_bringing_managers_down_is_not_brought_elsewhere(queue: Queue) -> None:
    queue.ledger.configure(1)
    submit(queue, {}, {})
    queue.start_all()
    queue.ledger.on_unseen("0.1", 1.0)
    assert [number for number, _ in leave(queue)["jobs"]] == [1]


def test_who_waited_for_what_has_moved_never_starts_whatever_it_needed(queue: Queue) -> None:
    submit(queue, {})
    leave(queue)
    submit(queue, {"after": [["any", [[0, 0]]]]}, {"after": [["notok", [[0, 0]]]]})
    assert states(queue) == ["moving", "waiting", "waiting"]
    queue.ask("arrived", key=KEY, first=3)
    queue.ledger.work(NOW.wall)
    assert states(queue) == ["moved", "cancelled", "cancelled"]
    submit(queue, {"after": [["any", [[0, 0]]]]})
    (detail,) = {end.detail for end in (queue.job(number).end for number in (1, 2, 3)) if end is not None}
    assert detail == "job 0, for which it was to wait, was moved to another queue"


def test_who_waits_for_the_end_hears_of_the_move(queue: Queue) -> None:
    submit(queue, {})
    leave(queue)
    queue.ask("wait", jobs=[[0, 0]])
    queue.ask("output", job=0, stream="out", follow=True)
    assert queue.waits.due(NOW.steady) == []
    queue.ask("arrived", key=KEY, first=3)
    for what in ("start", "end"):
        queue.waits.happened(what, queue.ledger.ended)
    assert len(queue.waits.due(NOW.steady)) == 2
    assert queue.handlers.answer({"op": "wait", "jobs": [[0, 0]]}, True)["counts"] == {"moved": 1}


def test_one_move_is_what_one_request_can_carry(queue: Queue) -> None:
    submit(queue, *[{"env": dict.fromkeys("ABCD", "x" * (TEXT // 12))}] * 5)
    assert [number for number, _ in leave(queue)["jobs"]] == [0, 1]
    assert [number for number, _ in leave(queue, key="k/1")["jobs"]] == [2, 3]
    submit(queue, {"env": {"A": "x" * 100_000, **{f"B{n}": "x" * 100_000 for n in range(9)}}})
    assert [number for number, _ in leave(queue, [[5, 5]], key="k/2")["jobs"]] == [5]
    found = queue.ask("moves", key="k/")
    assert ([one["key"] for one in found["moves"]], found["next"]) == (["k/0", "k/1", "k/2"], None)
    assert [one["key"] for one in queue.ask("moves", after="k/0")["moves"]] == ["k/1", "k/2"]
    assert queue.ask("moves", key="other")["moves"] == []


def test_one_move_is_of_jobs_that_are_taken_or_refused_together(queue: Queue) -> None:
    submit(queue, {}, {})
    submit(queue, {}, via="any")
    queue.ledger.submit(None, [Spec("x", snapshot=Snapshot(one * 64)) for one in "aab"], NOW.wall)
    found = [[number for number, _ in leave(queue, key=f"k/{count}")["jobs"]] for count in range(5)]
    assert found == [[0, 1], [2], [3, 4], [5], []]
    assert queue.ask("move", key="k/1", to="there")["via"] == "any"


def test_a_move_outlives_the_manager_and_an_older_copy_starts_nothing_that_left(queue: Queue) -> None:
    submit(queue, {}, {})
    leave(queue, [[1, 1]])
    queue.ledger.commit()
    successor = Ledger(queue.store)
    successor.configure(4)
    assert [job.id for job in successor.snapshot(stopping=False).head] == [0]
    assert queue.ledger._first_unstarted == 2


def test_what_is_asked_of_no_move_is_refused_and_old_keys_are_forgotten(queue: Queue) -> None:
    for op in ("arrived", "back"):
        with pytest.raises(Refused, match="no jobs have left"):
            queue.ask(op, key="never", first=0)
    with pytest.raises(BadRequest, match="half of a surrogate"):
        queue.ask("move", key="\udc80", to="there")
    submit(queue, {}, {}, {})
    queue.ledger.moves.begin("old", "there", [(0, 0)], NOW.wall - KEPT - 1)
    queue.ledger.moves.begin("old and open", "there", [(1, 1)], NOW.wall - KEPT - 1)
    queue.ask("back", key="old")
    leave(queue, [[2, 2]])
    assert [queue.store.move(key) is not None for key in ("old", "old and open", KEY)] == [False, True, True]


def test_who_declines_says_what_it_has_or_takes_it_never(queue: Queue) -> None:
    assert queue.ask("decline", key=KEY)["taken"] is None
    assert queue.ask("decline", key=KEY)["taken"] is None
    with pytest.raises(Conflict):
        submit(queue, {}, key=KEY)
    submit(queue, {}, {}, key="k/1")
    assert queue.ask("decline", key="k/1")["taken"] == (0, 2)
    assert states(queue) == ["queued", "queued"]
