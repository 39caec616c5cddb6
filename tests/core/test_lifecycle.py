from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core import lifecycle
from sjs.core.job import AFTER, ON_LOST, End, Retry, Spec
from sjs.core.lifecycle import (
    FINAL,
    LIVE,
    MAX_ATTEMPTS,
    MOVED,
    MOVING,
    PENDING,
    QUEUED,
    STARTING,
    STATES,
    TABLE,
    WAITING,
    is_satisfied,
)

EVENTS = sorted({event for _, event in TABLE})
INTO_THE_QUEUE = [(WAITING, "ready"), (STARTING, "unseen"), (STARTING, "refused"), (STARTING, "given back")]
ENDS = [
    (End("exit", exit=0), "succeed"),
    (End("exit", exit=1), "fail"),
    (End("exit", exit=255), "fail"),
    (End("exit"), "fail"),
    (End("signal", signal=9), "fail"),
    (End("spawn-error", detail="no such file"), "fail"),
    (End("cancelled", exit=0), "cancel"),
    (End("cancelled", signal=15), "cancel"),
    (End("host-lost"), "lose"),
    (End("dependency"), "cancel"),
    (End("timeout", signal=15), "time out"),
    (End("oom", signal=9), "fail"),
]


def test_every_state_is_reached_from_the_queue() -> None:
    reached = {QUEUED}
    while True:
        more = {after for (state, _), after in TABLE.items() if state in reached} | reached
        if more == reached:
            break
        reached = more
    assert reached == set(STATES)


def test_only_a_person_leaves_a_final_state_and_every_other_has_a_way_to_one() -> None:
    assert {event for state, event in TABLE if state in FINAL} == {"try again"}
    for state in (*PENDING, *LIVE):
        assert TABLE[state, "cancel"] in FINAL


def test_what_is_on_its_way_elsewhere_can_only_arrive_or_come_back_and_what_has_arrived_is_gone() -> None:
    assert {event for state, event in TABLE if state == MOVING} == {"arrive", "come back"}
    assert not [event for state, event in TABLE if state == MOVED]


def test_states_are_pending_live_or_final_or_between_two_queues_and_nothing_twice() -> None:
    assert sorted(STATES) == sorted({*PENDING, MOVING, *LIVE, *FINAL})


@pytest.mark.parametrize(("end", "event"), ENDS, ids=str)
def test_an_end_is_an_event(end: End, event: str) -> None:
    assert lifecycle.event_of(end) == event


@pytest.mark.parametrize("end", [end for end, _ in ENDS], ids=str)
@pytest.mark.parametrize("state", LIVE)
def test_a_live_job_can_end_in_every_way(state: str, end: End) -> None:
    assert lifecycle.step(state, lifecycle.event_of(end)) in FINAL


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", EVENTS)
def test_what_is_not_in_the_table_raises(state: str, event: str) -> None:
    if (state, event) in TABLE:
        assert lifecycle.step(state, event) == TABLE[state, event]
    else:
        with pytest.raises(lifecycle.Impossible, match=f"{state} cannot {event}"):
            lifecycle.step(state, event)


@given(st.lists(st.sampled_from(EVENTS)))
def test_only_who_waited_or_never_ran_comes_into_the_queue(events: list[str]) -> None:
    state = QUEUED
    for event in events:
        if (state, event) in TABLE:
            before, state = state, lifecycle.step(state, event)
            assert state != QUEUED or (before, event) in INTO_THE_QUEUE


OFTEN = Retry(count=3, delay=10.0, factor=2.0, on=("fail", "timeout"))


@pytest.mark.parametrize(
    ("spec", "attempt", "end", "delay"),
    [
        (Spec("x"), 1, End("exit", 1), None),
        (Spec("x", retry=OFTEN), 1, End("exit", 1), 10.0),
        (Spec("x", retry=OFTEN), 3, End("signal", signal=9), 40.0),
        (Spec("x", retry=OFTEN), 4, End("exit", 1), None),
        (Spec("x", retry=OFTEN), 1, End("timeout"), 10.0),
        (Spec("x", retry=OFTEN), 1, End("exit", 0), None),
        (Spec("x", retry=OFTEN), 1, End("cancelled", signal=15), None),
        (Spec("x", retry=OFTEN), 1, End("oom"), None),
        (Spec("x", retry=OFTEN), 1, End("host-lost"), None),
        (Spec("x", retry=Retry(9, on=("lost",))), 7, End("host-lost"), 0.0),
        (Spec("x", retry=Retry(9, on=("exit:137", "signal:11"))), 1, End("exit", 137), 0.0),
        (Spec("x", retry=Retry(9, on=("exit:137", "signal:11"))), 1, End("exit", 1), None),
        (Spec("x", retry=Retry(9, on=("exit:137", "signal:11"))), 1, End("signal", signal=11), 0.0),
        (Spec("x", retry=Retry(10**6, 1.0, 10.0)), 9, End("exit", 1), 86_400.0),
        (Spec("x", retry=Retry(10**6, 1.0, 10.0)), 10**6, End("exit", 1), 86_400.0),
        (Spec("x", on_lost="requeue"), 1, End("host-lost"), 0.0),
        (Spec("x", on_lost="requeue"), MAX_ATTEMPTS, End("host-lost"), None),
    ],
)
def test_who_is_tried_again_and_when(spec: Spec, attempt: int, end: End, delay: float | None) -> None:
    assert lifecycle.next_try(spec, attempt, end) == delay


FAILURES = [End("exit", 1), End("signal", signal=9), End("timeout"), End("oom"), End("host-lost"), End("cancelled")]
SPECS = st.builds(
    Spec,
    st.just("x"),
    retry=st.builds(Retry, st.integers(0, 6), st.just(2.0), st.just(3.0), st.just(("fail", "lost", "timeout"))),
    on_lost=st.sampled_from(ON_LOST),
)


@given(SPECS, st.integers(1, 20), st.sampled_from(FAILURES), st.integers(0, 100))
def test_attempts_before_somebody_asked_for_more_count_for_nothing(
    spec: Spec, attempt: int, end: End, retried: int
) -> None:
    assert lifecycle.next_try(spec, attempt + retried, end, retried) == lifecycle.next_try(spec, attempt, end)


@given(SPECS, st.lists(st.sampled_from(FAILURES), max_size=60))
def test_each_time_somebody_asks_a_job_has_all_its_tries_and_no_more(spec: Spec, ends: list[End]) -> None:
    """Somebody asks whenever it has come to an end."""
    retried = 0
    for attempt, end in enumerate(ends, 1):
        if lifecycle.next_try(spec, attempt, end, retried) is not None:
            continue
        tries = attempt - retried
        assert tries <= max(1 + spec.retry.count, lifecycle.MAX_ATTEMPTS if spec.on_lost == "requeue" else 1)
        if end.reason == "exit":
            assert tries > spec.retry.count
        retried = attempt


def test_whether_others_are_what_a_job_waits_for() -> None:
    told = {kind: {state: is_satisfied(kind, state) for state in STATES} for kind in AFTER}
    assert told["any"] == {state: state != MOVED if state in FINAL else None for state in STATES}
    assert told["ok"] == {state: state == "succeeded" if state in FINAL else None for state in STATES}
    assert told["notok"] == {state: state not in ("succeeded", MOVED) if state in FINAL else None for state in STATES}
