from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sjs.core.job import Job, Spec
from sjs.core.schedule import MAX_ATTEMPTS, Running, Snapshot, Start, Stop, free_slots, is_tried_again, plan


def queued(*ids: int) -> list[Job]:
    return [Job(id=number, spec=Spec("true"), state="queued", submitted=0.0) for number in ids]


def started(snapshot: Snapshot) -> list[tuple[int, int]]:
    return [(action.job.id, action.slot) for action in plan(snapshot) if isinstance(action, Start)]


def test_free_slots_are_filled_in_order_of_the_queue() -> None:
    assert started(Snapshot(3, [Running(0, slot=1)], queued(5, 6, 7))) == [(5, 0), (6, 2)]


def test_an_empty_queue_asks_for_nothing() -> None:
    assert plan(Snapshot(3, [], [])) == ()


def test_a_maximum_of_zero_pauses() -> None:
    assert plan(Snapshot(0, [Running(0, slot=0)], queued(1))) == ()


def test_a_stopping_manager_starts_nothing_but_still_ends_what_is_not_wanted() -> None:
    assert plan(Snapshot(3, [Running(0, 0, cancel_wanted=True)], queued(1), stopping=True)) == (Stop(0),)


def test_an_end_is_asked_for_once_and_before_anything_starts() -> None:
    running = [Running(0, 0, cancel_wanted=True), Running(1, 1, cancel_wanted=True, cancel_told=True), Running(2, 2)]
    assert plan(Snapshot(4, running, queued(3))) == (Stop(0), Start(queued(3)[0], 3))


def test_a_slot_above_a_lowered_maximum_still_counts() -> None:
    assert started(Snapshot(2, [Running(0, slot=5)], queued(1, 2))) == [(1, 0)]


def test_lowering_the_maximum_ends_nobody() -> None:
    assert plan(Snapshot(1, [Running(number, number) for number in range(4)], queued(9))) == ()


@given(st.integers(0, 20), st.sets(st.integers(0, 30)), st.integers(0, 40))
def test_never_more_than_the_maximum_and_no_slot_twice(maximum: int, taken: set[int], waiting: int) -> None:
    running = [Running(1000 + slot, slot) for slot in taken]
    actions = started(Snapshot(maximum, running, queued(*range(waiting))))
    assert len(actions) == min(waiting, max(0, maximum - len(taken)))
    assert [number for number, _ in actions] == list(range(len(actions)))
    slots = [slot for _, slot in actions]
    assert len({*slots, *taken}) == len(slots) + len(taken)
    assert all(0 <= slot < maximum for slot in slots)


@given(st.integers(-3, 20), st.lists(st.integers(0, 30), unique=True))
def test_free_slots_come_lowest_first(maximum: int, taken: list[int]) -> None:
    slots = free_slots(maximum, taken)
    assert slots == sorted(slots)
    assert slots == [slot for slot in range(maximum) if slot not in taken][: len(slots)]


def test_a_lost_job_is_tried_again_if_its_owner_wants_that_and_not_for_ever() -> None:
    wanted = Spec("true", on_lost="requeue")
    assert [is_tried_again(wanted, attempt) for attempt in (1, MAX_ATTEMPTS - 1, MAX_ATTEMPTS)] == [True, True, False]
    assert not is_tried_again(Spec("true"), 1)
