"""How many jobs the keeper may start by itself, and when it is to give them back."""

from __future__ import annotations

from typing import Any

import pytest

from sjs.core.lifecycle import QUEUED, RUNNING, STARTING
from sjs.daemon.manager.granting import FIRST, MOST, SHORT, SOON, UNSEEING, Granting
from tests.daemon import queues
from tests.daemon.queues import Queue


def busy(count: int = 100) -> tuple[Queue, Granting, list[dict[str, Any]]]:
    """Two jobs run, the others wait, and they are short."""
    queue = queues.make(2)
    queue.submit(*["true"] * count)
    for tag in queue.start_all():
        queue.ledger.on_started(tag, 7, 1.0)
    queue.ledger.commit()
    said: list[dict[str, Any]] = []
    granting = Granting(queue.ledger.grants, said.append)
    granting.is_understood = True
    granting.ended(0.001)
    return queue, granting, said


def grant(queue: Queue, granting: Granting, now: float) -> list[str]:
    wanted = granting.wants(now)
    return [one.tag for one in granting.grant(queue.ledger.front(wanted), now)] if wanted else []


def test_as_many_as_end_in_a_moment() -> None:
    queue, granting, _ = busy()
    now, sizes = 10.0, []
    for _ in range(8):
        now += SOON / 2
        sizes.append(len(grant(queue, granting, now)))
        queue.ledger.grants.take_back([one.tag for one in queue.ledger.grants.out])
    assert sizes == [FIRST, 8, 16, 32, MOST, MOST, MOST, MOST]


def test_fewer_again_once_they_last() -> None:
    queue, granting, _ = busy()
    for now in (0.01, 0.02, 0.03):
        grant(queue, granting, now)
        queue.ledger.grants.take_back([one.tag for one in queue.ledger.grants.out])
    assert len(grant(queue, granting, 9.0)) == 2 * FIRST


def test_who_asks_often_leaves_few_to_be_granted() -> None:
    queue, granting, _ = busy()
    for now in (0.01, 0.02, 0.03):
        grant(queue, granting, now)
        granting.must_come_before("report")
        granting.given_back([one.tag for one in queue.ledger.grants.out])
    assert len(grant(queue, granting, 0.04)) == 2


def test_a_place_that_was_free_too_early_makes_them_more() -> None:
    queue, granting, _ = busy()
    grant(queue, granting, 0.01)
    granting.ask_back()
    granting.given_back([one.tag for one in queue.ledger.grants.out])
    assert len(grant(queue, granting, 0.02)) == 2 * FIRST


def test_while_half_of_them_are_left_no_more_is_granted() -> None:
    queue, granting, _ = busy()
    assert grant(queue, granting, 0.01) == ["2.1", "3.1", "4.1", "5.1"]
    assert granting.wants(0.02) == 0


@pytest.mark.parametrize("why", ["long jobs", "an older keeper", "what is asked back"])
def test_nobody_is_granted_anything(why: str) -> None:
    queue, granting, _ = busy()
    if why == "long jobs":
        granting.ended(SHORT)
    elif why == "an older keeper":
        granting.is_understood = False
    else:
        granting.ask_back()
    assert granting.wants(0.01) == 0


def test_who_wants_to_see_the_queue_waits_until_it_is_as_it_looks() -> None:
    queue, granting, said = busy()
    tags = grant(queue, granting, 0.01)
    assert not any(granting.must_come_before(op) for op in UNSEEING)
    assert granting.must_come_before("report") and granting.must_come_before("cancel")
    assert said == [{"do": "revoke"}], "it is asked once"
    granting.given_back(tags)
    assert not granting.must_come_before("report")
    assert queue.ledger.counts[QUEUED] == 98 and queue.ledger.counts[STARTING] == 0


def test_people_see_them_wait() -> None:
    queue, granting, _ = busy(5)
    assert grant(queue, granting, 0.01) == ["2.1", "3.1", "4.1"]
    counts = queue.handlers.answer({"op": "wait", "jobs": None}, False)["counts"]
    assert counts == {RUNNING: 2, QUEUED: 3}
    counts = queue.handlers.answer({"op": "wait", "jobs": [[2, 4]]}, False)["counts"]
    assert counts == {QUEUED: 3}
    shown = queue.handlers.answer({"op": "wait", "jobs": [[2, 2]]}, False)["job"]
    assert (shown["state"], shown["attempt"]) == (QUEUED, 0)


def test_to_grant_and_to_give_back_is_no_change_that_anybody_hears_of() -> None:
    queue, granting, _ = busy()
    before = queue.store.changes
    tags = grant(queue, granting, 0.01)
    queue.ledger.commit()
    granting.given_back(tags)
    queue.ledger.commit()
    assert tags and queue.store.changes == before


def test_who_starts_in_a_place_has_its_slot() -> None:
    queue, granting, _ = busy()
    heir = grant(queue, granting, 0.01)[0]
    slot = queue.ledger.live[1].slot
    queue.end("1.1")
    queue.ledger.grants.hand_on(heir, slot)
    queue.ledger.on_started(heir, 8, 2.0)
    queue.ledger.commit()
    assert queue.ledger.live[2].slot == slot and queue.job(2).state == RUNNING


def test_a_place_that_is_free_already_is_offered_once() -> None:
    queue, granting, _ = busy()
    heir = grant(queue, granting, 0.01)[0]
    slot = queue.ledger.live[0].slot
    queue.end("0.1")
    assert queue.ledger.grants.offer() == [slot]
    assert queue.ledger.grants.offer() == []
    queue.ledger.grants.hand_on(heir, slot)
    assert queue.ledger.grants.offer() == [] and queue.ledger.live[2].slot == slot


def _urgent(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "now", "priority": 5}])


def _other(queue: Queue) -> None:
    queue.ask("submit", jobs=[{"command": "wide", "slots": 2}])


def _machine(queue: Queue) -> None:
    queue.ledger.configure(3)


@pytest.mark.parametrize("what", [_urgent, _other, _machine])
def test_they_are_stale_when_the_queue_would_be_started_otherwise(what: Any) -> None:
    queue, granting, _ = busy()
    grant(queue, granting, 0.01)
    machine = queue.ledger.holdings.machine
    assert not queue.ledger.grants.are_stale(machine)
    queue.ask("submit", jobs=[{"command": "later"}])
    assert not queue.ledger.grants.are_stale(machine)
    what(queue)
    assert queue.ledger.grants.are_stale(queue.ledger.holdings.machine)


def test_the_next_manager_is_told_of_them_by_the_keeper(tmp_path: Any) -> None:
    path = str(tmp_path / "jobs.db")
    queue = queues.make(1, path)
    queue.ledger.reconcile([], "this boot", 1.0)
    queue.submit("a", "b", "c", "d")
    queue.start_all()
    queue.ledger.on_started("0.1", 7, 1.0)
    granted = queue.ledger.grants.add(queue.ledger.front(2).head, queue.ledger.holdings.machine)
    queue.ledger.commit()
    queue.store.close()
    after = queues.make(1, path)
    told = {"tag": "0.1", "pid": 7, "at": 1.0, "end": None, "slot": 0}
    after.ledger.reconcile([told], "this boot", 2.0, [granted[1].tag])
    assert [one.id for one in after.ledger.missing] == [1], "the keeper may have started it and be another by now"
    assert [one.id for one in after.ledger.grants.out] == [2]
    after.ledger.grants.take_back(["2.1"])
    after.ledger.commit()
    assert (after.job(2).state, after.job(2).attempt, after.job(3).state) == (QUEUED, 0, QUEUED)
