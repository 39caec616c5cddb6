"""The queue's rules: keys, pieces, counts, and what is made of an earlier manager's leavings."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sjs import compact, spec_json
from sjs.core.job import GRACE, Spec
from sjs.core.lifecycle import (
    FINAL,
    HELD,
    MAX_ATTEMPTS,
    MOVED,
    MOVING,
    PENDING,
    QUEUED,
    RUNNING,
    STARTING,
    STATES,
    WAITING,
)
from sjs.core.schedule import Start, plan
from sjs.daemon.manager.subjects import everything
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.pending import PIECE
from sjs.daemon.queue.setbacks import MAX_SETBACKS
from sjs.errors import Conflict
from tests.daemon import queues
from tests.daemon.queues import NOW, Queue, specs

END = {"reason": "exit", "exit": 3, "at": 9.0}


def test_the_same_key_brings_the_same_jobs_once(queue: Queue) -> None:
    first = queue.ledger.submit("k", specs("a", "b"), 1.0)
    assert first == (0, 2, False)
    assert queue.ledger.submit("k", specs("a", "b"), 2.0) == (0, 2, True)
    assert queue.ledger.submit(None, specs("a", "b"), 2.0) == (2, 2, False)
    assert queue.ledger.counts[QUEUED] == 4


def test_of_many_jobs_each_costs_a_row_and_a_text_and_nothing_else(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    to_json = compact.to_json

    def kept(body: Any) -> str:
        texts.append(to_json(body))
        return texts[-1]

    monkeypatch.setattr(spec_json, "to_json", kept)
    statements: list[str] = []
    queue.store._db.set_trace_callback(statements.append)
    queue.ledger.submit("k", specs(*map(str, range(1_000))), 1.0)
    queue.store._db.set_trace_callback(None)
    assert len(set(statements)) <= 1_000 + 6
    assert len(texts) <= 1_000 + 1


@pytest.mark.parametrize("others", [("a",), ("a", "c"), ("b", "a"), ("a", "b", "c"), ("a\nb",)])
def test_the_same_key_for_other_jobs_is_a_conflict(queue: Queue, others: tuple[str, ...]) -> None:
    queue.ledger.submit("k", specs("a", "b"), 1.0)
    with pytest.raises(Conflict):
        queue.ledger.submit("k", specs(*others), 1.0)
    assert queue.ledger.next_id == 2


@pytest.mark.parametrize(("before", "now"), [("k/0", "k/0-1"), ("k/0-1", "k/0"), ("k/3", "k/5-9")])
def test_a_key_is_for_a_named_target_or_for_any(queue: Queue, before: str, now: str) -> None:
    """The parts of a command are others then: it would run twice."""
    queue.ledger.submit(before, specs("a", "b"), 1.0)
    with pytest.raises(Conflict, match="the key 'k' was used before, to hand in to"):
        queue.ledger.submit(now, specs("a", "b"), 1.0)


@pytest.mark.parametrize("now", ["k/1", "l/0-1", "k", "k/x", "k/x-1", "k/1-x", "k/", "/0-1"])
def test_other_keys_are_other_keys(queue: Queue, now: str) -> None:
    queue.ledger.submit("k/0", specs("a", "b"), 1.0)
    assert queue.ledger.submit(now, specs("a", "b"), 1.0) == (2, 2, False)


def test_cancel_goes_by_pieces(queue: Queue) -> None:
    queue.ledger.submit(None, specs(*["a"] * (PIECE + 5)), 1.0)
    assert len(queue.ledger.cancel_pending([(0, 2), (4, PIECE + 4)], 2.0)) == PIECE
    assert queue.ledger.cancel_pending(everything(queue.ledger), 2.0) == [3, *range(PIECE + 1, PIECE + 5)]
    assert queue.ledger.cancel_pending(everything(queue.ledger), 2.0) == []


def test_asking_again_for_an_end_never_puts_it_off(queue: Queue) -> None:
    queue.submit("a")
    queue.start_all()
    live = queue.ledger.live[0]
    for grace, told in ((10.0, False), (10.0, True), (20.0, True), (1.0, False)):
        queue.ledger.want_end([(0, 0)], grace)
        assert live.told is told
        live.told = True
    assert live.grace == 1.0


def test_what_is_said_of_an_end_is_in_the_record_whichever_manager_hears_of_it(queue: Queue) -> None:
    queue.submit("a", "b", "c")
    queue.start_all()
    queue.ledger.want_end([(0, 1)], 4.0, "too slow")
    queue.ledger.want_end([(0, 0)], 1.0)
    assert queue.ledger.cancel_pending([(2, 2)], 1.0, "no more") == [2]
    successor = Ledger(queue.store)
    left = "ended 1 process(es) that it left behind"
    successor.on_ended("0.1", {"reason": "cancelled", "detail": left, "at": 1.0})
    successor.on_ended("1.1", {"reason": "exit", "exit": 0, "at": 1.0})
    details = [end.detail for end in (queue.job(number).end for number in range(3)) if end is not None]
    assert details == [f"too slow; {left}", "", "no more"]


def test_who_is_given_no_grace_has_its_own(queue: Queue) -> None:
    queue.ledger.configure(3)
    queue.ledger.submit(None, [Spec("a"), Spec("b", grace=3.0), Spec("c", grace=0.0)], 1.0)
    queue.start_all()
    queue.ledger.want_end(everything(queue.ledger), None)
    assert [one.grace for one in queue.ledger.live.values()] == [GRACE, 3.0, 0.0]


def test_what_the_keeper_says_of_others_is_no_news(queue: Queue) -> None:
    queue.submit("a")
    queue.start_all()
    for tag in ("0.2", "7.1", "hook-12-1", "0", ""):
        queue.ledger.on_started(tag, 5, 1.0)
        queue.ledger.on_ended(tag, END)
    assert queue.ledger.live[0].state == STARTING


def test_an_end_is_stored_once(queue: Queue) -> None:
    queue.submit("a")
    queue.start_all()
    queue.ledger.on_started("0.1", 5, 1.0)
    queue.ledger.on_ended("0.1", END)
    queue.ledger.on_ended("0.1", {**END, "exit": 4})
    assert (queue.ledger.started, queue.ledger.ended) == ([0], [0])
    queue.ledger.told()
    assert (queue.ledger.started, queue.ledger.ended) == ([], [])


def test_only_a_start_may_wait_to_be_durable(queue: Queue) -> None:
    queue.submit("a")
    queue.start_all()
    queue.ledger.commit()
    queue.ledger.on_started("0.1", 5, 1.0)
    assert not queue.ledger.urgent
    queue.ledger.on_ended("0.1", END)
    assert queue.ledger.urgent


def test_a_lowered_maximum_starts_nothing(queue: Queue) -> None:
    queue.submit(*"abc")
    queue.start_all()
    queue.ledger.configure(1)
    queue.end("0.1")
    assert queue.start_all() == []
    queue.end("1.1")
    assert queue.start_all() == ["2.1"]


def test_what_the_machine_refused_waits_in_its_old_place(queue: Queue) -> None:
    queue.submit("a", "b")
    queue.start_all()
    for tag in ("0.1", "0.1", "7.1", "hook-12-1"):
        queue.ledger.on_refused(tag, 5.0)
    assert (queue.job(0).state, queue.job(0).attempt) == ("queued", 0)
    assert (queue.ledger.counts["queued"], queue.ledger.counts["starting"]) == (1, 1)
    assert queue.start_all() == ["0.1"]


def test_a_refused_job_that_was_cancelled_meanwhile_does_not_come_again(queue: Queue) -> None:
    queue.submit("a")
    queue.start_all()
    queue.ask("cancel", jobs=[[0, 0]])
    queue.ledger.on_refused("0.1", 5.0)
    assert (queue.job(0).state, queue.job(0).ended) == ("cancelled", 5.0)
    assert queue.ledger.live == {}


# After a manager's death: every state of a row × what the keeper has of it × the same boot or another

HAS = {"nothing": None, "a process": {"pid": 5, "end": None}, "an end": {"pid": 5, "end": END}}
NOT_STARTED = {"pid": 0, "end": {"reason": "spawn-error", "detail": "no such file", "at": 9.0}}
OUTCOME = {
    (QUEUED, "nothing"): QUEUED,
    (QUEUED, "a process"): QUEUED,  # cannot be: the row is older than what the keeper was told
    (QUEUED, "an end"): QUEUED,
    (STARTING, "nothing"): QUEUED,
    (STARTING, "a process"): RUNNING,
    (STARTING, "an end"): "failed",
    (RUNNING, "nothing"): "lost",
    (RUNNING, "a process"): RUNNING,
    (RUNNING, "an end"): "failed",
    **{(state, has): state for state in (HELD, WAITING, MOVING, *FINAL) for has in HAS},
}


def at_state(state: str) -> Queue:
    """A queue whose job 0 is in the state, as a manager that was killed left it."""
    queue = queues.make()
    queue.ledger.reconcile([], "this boot", 1.0)
    queue.ledger.submit(None, [Spec("a", hold=state == HELD, at=9e9 if state == WAITING else None)], 1.0)
    if state == "cancelled":
        queue.ledger.cancel_pending([(0, 0)], 1.0)
    elif state in (MOVING, MOVED):
        queue.ledger.moves.begin("k", "there", [(0, 0)], 1.0)
        if state == MOVED:
            queue.ledger.moves.arrive("k", 7, 2.0)
    elif state not in PENDING:
        queue.start_all()
        if state != STARTING:
            queue.ledger.on_started("0.1", 5, 1.0)
        if state in FINAL:
            reason = {"lost": "host-lost", "timeout": "timeout"}.get(state, "exit")
            queue.ledger.on_ended("0.1", {"reason": reason, "exit": int(state == "failed"), "at": 2.0})
    queue.ledger.commit()
    return queue


@pytest.mark.parametrize(("state", "has"), list(itertools.product(STATES, HAS)))
@pytest.mark.parametrize("boot", ["this boot", "another boot"])
def test_reconcile(state: str, has: str, boot: str) -> None:
    queue = at_state(state)
    before = queue.job(0)
    successor = Ledger(queue.store)
    told: dict[str, Any] | None = HAS[has]
    successor.reconcile([{"tag": "0.1", "at": 1.0, **told}] if told else [], boot, NOW.wall)
    for live in successor.missing:  # the keeper is asked to look, and finds nothing
        successor.on_unseen(live.tag, NOW.wall)
    wanted = OUTCOME[state, has]
    if boot == "another boot" and (state, has) == (STARTING, "nothing"):
        wanted = "lost"  # its record may not have reached the disk
    after = queue.job(0)
    assert after.state == wanted
    assert successor.counts == {**dict.fromkeys(STATES, 0), wanted: 1}
    assert (0 in successor.live) == (wanted in (STARTING, RUNNING))
    if before.state in FINAL:
        assert after == before


def test_what_was_never_started_is_the_same_attempt_again() -> None:
    queue = at_state(STARTING)
    successor = Ledger(queue.store)
    successor.reconcile([], "this boot", 1.0)
    assert plan(successor.snapshot(stopping=False)) == ()  # not before the keeper has looked
    successor.on_unseen("0.1", 1.0)
    (start,) = plan(successor.snapshot(stopping=False))
    assert isinstance(start, Start)
    assert successor.begin(start.job, start.slot).tag == "0.1"


def test_what_could_not_be_started_never_ran() -> None:
    queue = at_state(STARTING)
    Ledger(queue.store).reconcile([{"tag": "0.1", "at": 1.0, **NOT_STARTED}], "this boot", 1.0)
    job = queue.job(0)
    assert (job.state, job.started, job.pid) == ("failed", None, None)


def test_an_end_that_was_asked_for_is_asked_for_again() -> None:
    queue = at_state(RUNNING)
    queue.ledger.want_end([(0, 0)], 4.0)
    successor = Ledger(queue.store)
    assert successor.snapshot(stopping=True).running[0].cancel_wanted


@pytest.mark.parametrize("state", [STARTING, RUNNING])
def test_what_the_keeper_has_no_record_of_and_finds_goes_on(state: str) -> None:
    successor = Ledger(at_state(state).store)
    successor.reconcile([], "this boot", 1.0)
    assert [live.tag for live in successor.missing] == ["0.1"]
    successor.on_started("0.1", 7, 1.0)
    assert successor.live[0].state == RUNNING


def test_what_was_to_be_ended_and_never_started_is_cancelled() -> None:
    queue = at_state(STARTING)
    queue.ledger.want_end([(0, 0)], 4.0)
    successor = Ledger(queue.store)
    successor.reconcile([], "this boot", 1.0)
    successor.on_unseen("0.1", 1.0)
    assert queue.job(0).state == "cancelled"


# Attempts that were lost

LOST = {"reason": "host-lost", "detail": "nobody saw it", "at": 9.0}


def lose(queue: Queue, attempt: int) -> None:
    assert queue.start_all() == [f"0.{attempt}"]
    queue.ledger.on_started(f"0.{attempt}", 5, 1.0)
    queue.ledger.on_ended(f"0.{attempt}", LOST)


def test_a_lost_attempt_is_queued_again_if_that_is_wanted(queue: Queue, capfd: pytest.CaptureFixture[str]) -> None:
    queue.ledger.submit(None, [Spec("a", on_lost="requeue")], 1.0)
    lose(queue, 1)
    job = queue.job(0)
    assert (job.state, job.attempt, job.started, job.pid, job.end) == (QUEUED, 1, None, None, None)
    assert (queue.ledger.requeued, queue.ledger.ended, queue.ledger.live) == ([0], [], {})
    assert "attempt 1 of job 0 ended (nobody saw it); it is tried again" in capfd.readouterr().err
    assert queue.start_all() == ["0.2"]
    queue.end("0.2", exit=0)
    assert (queue.job(0).state, queue.job(0).attempt) == ("succeeded", 2)


def test_attempts_are_bounded(queue: Queue) -> None:
    queue.ledger.submit(None, [Spec("a", on_lost="requeue")], 1.0)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        lose(queue, attempt)
    job = queue.job(0)
    assert (job.state, job.attempt, queue.start_all()) == ("lost", MAX_ATTEMPTS, [])
    assert job.end is not None
    assert job.end.detail == "nobody saw it; it was the last of 5 attempts"


def test_what_was_to_be_ended_is_not_tried_again(queue: Queue) -> None:
    queue.ledger.submit(None, [Spec("a", on_lost="requeue")], 1.0)
    queue.start_all()
    queue.ledger.want_end([(0, 0)], 4.0)
    queue.ledger.on_ended("0.1", LOST)
    assert queue.job(0).state == "lost"


def test_other_ends_are_not_tried_again(queue: Queue) -> None:
    queue.ledger.submit(None, [Spec("a", on_lost="requeue")] * 2, 1.0)
    queue.start_all()
    queue.end("0.1", exit=1)
    queue.end("1.1", reason="signal", exit=None, signal=9)
    assert [queue.job(number).state for number in (0, 1)] == ["failed", "failed"]


# Managers that end over the start of a job


def next_manager(queue: Queue) -> Queue:
    """The manager ends before the keeper has heard of what was to start; the next one takes over."""
    queue.ledger.commit()
    ledger = Ledger(queue.store)
    ledger.reconcile([], "this boot", 1.0)
    for live in ledger.missing:
        ledger.on_unseen(live.tag, 1.0)
    return queue._replace(ledger=ledger)


def suspicious(*commands: str) -> Queue:
    """A queue whose manager has ended once while it was to start these."""
    queue = queues.make(slots=len(commands))
    queue.ledger.reconcile([], "this boot", 1.0)
    queue.submit(*commands)
    queue.start_all()
    return next_manager(queue)


def test_a_job_over_whose_start_managers_end_is_set_aside_and_no_other() -> None:
    """Together with innocent ones at first; from then on alone."""
    queue = suspicious("a", "b", "poison", "c")
    started: list[str] = []
    for _ in range(MAX_SETBACKS + 3):
        for tag in queue.start_all():
            started.append(tag)
            if tag == "2.1":
                queue = next_manager(queue)
            else:
                queue.ledger.on_started(tag, 5, 1.0)
    assert started == ["0.1", "1.1", *["2.1"] * (MAX_SETBACKS - 1), "3.1"]
    job = queue.job(2)
    assert (job.state, job.started) == ("failed", None)
    assert job.end is not None
    assert (job.end.reason, job.end.detail) == (
        "spawn-error",
        "5 managers ended when they were to start it; it is set aside",
    )
    assert queue.ledger.ended == [2]


def test_while_one_is_suspected_they_start_one_by_one() -> None:
    queue = suspicious("a", "b")
    assert queue.start_all() == ["0.1"]
    assert queue.start_all() == []
    queue.ledger.on_started("0.1", 5, 1.0)
    assert queue.start_all() == ["1.1"]
    queue.ledger.on_started("1.1", 5, 1.0)
    queue.ledger.configure(4)
    queue.ledger.submit(None, specs("c", "d"), 1.0)
    assert queue.start_all() == ["2.1", "3.1"]


def test_who_is_cancelled_is_no_suspect_any_more() -> None:
    queue = suspicious("a", "b")
    queue.ledger.cancel_pending([(0, 1)], 1.0)
    queue.ledger.submit(None, specs("c", "d"), 1.0)
    assert queue.start_all() == ["2.1", "3.1"]


def test_who_has_ended_by_an_older_manager_is_no_suspect_any_more() -> None:
    """One that knew nothing of suspects may have run in between."""
    queue = suspicious("a", "b")
    queue.store.set_states([0, 1], "cancelled", "cancelled", 1.0)
    queue.ledger.counts[QUEUED] -= 2
    queue = next_manager(queue)
    queue.ledger.submit(None, specs("c", "d"), 1.0)
    assert queue.start_all() == ["2.1", "3.1"]


# Rows that cannot be read


def spoil(queue: Queue, number: int, column: str, value: object) -> None:
    queue.store._db.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (value, number))


def test_a_queued_job_that_cannot_be_read_is_set_aside(queue: Queue, capfd: pytest.CaptureFixture[str]) -> None:
    queue.submit("a", "b", "c", "d")
    for number in (0, 1, 3):
        spoil(queue, number, "spec", '{"comm')
    assert queue.start_all() == ["2.1"]
    assert [queue.job(number).state for number in range(4)] == ["failed", "failed", "starting", "failed"]
    assert {state: count for state, count in queue.ledger.counts.items() if count} == {"failed": 3, "starting": 1}
    assert queue.ledger.ended == [0, 1, 3]
    assert "job 0 is set aside: its record cannot be read: not JSON" in capfd.readouterr().err
    assert [one["reason"] for one in queue.ask("list")["jobs"]][:2] == ["spawn-error"] * 2


def test_a_job_of_a_state_that_there_is_not_is_set_aside(capfd: pytest.CaptureFixture[str]) -> None:
    queue = at_state(QUEUED)
    queue.submit("b", "c")
    spoil(queue, 0, "state", "limbo")
    successor = Ledger(queue.store)
    successor.reconcile([], "this boot", NOW.wall)
    assert (queue.job(0).state, queue.job(0).ended) == ("failed", NOW.wall)
    assert {state: count for state, count in successor.counts.items() if count} == {"failed": 1, "queued": 2}
    assert "job 0 is set aside: its record cannot be read: there is no state 'limbo'" in capfd.readouterr().err


def test_a_running_job_that_cannot_be_read_is_lost_and_not_tried_again() -> None:
    queue = at_state(RUNNING)
    spoil(queue, 0, "spec", "")
    queue.ledger.on_ended("0.1", LOST)
    assert queue.job(0).state == "lost"
