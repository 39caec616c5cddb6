from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core import lifecycle
from sjs.core.job import End
from sjs.core.lifecycle import FINAL, LIVE, QUEUED, STARTING, STATES, TABLE

EVENTS = sorted({event for _, event in TABLE})
NEVER_RAN = [(STARTING, "unseen"), (STARTING, "refused")]
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
]


def test_every_state_is_reached_from_the_queue() -> None:
    reached = {QUEUED}
    while True:
        more = {after for (state, _), after in TABLE.items() if state in reached} | reached
        if more == reached:
            break
        reached = more
    assert reached == set(STATES)


def test_nothing_leaves_a_final_state_and_every_other_has_a_way_to_one() -> None:
    assert not {state for state, _ in TABLE} & set(FINAL)
    for state in (QUEUED, *LIVE):
        assert any((state, event) in TABLE and TABLE[state, event] in FINAL for event in EVENTS)


def test_states_are_live_final_or_queued_and_nothing_twice() -> None:
    assert sorted(STATES) == sorted({QUEUED, *LIVE, *FINAL})


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
def test_only_an_attempt_that_never_ran_or_was_lost_goes_back_to_the_queue(events: list[str]) -> None:
    state = QUEUED
    for event in events:
        if (state, event) in TABLE:
            before, state = state, lifecycle.step(state, event)
            assert state != QUEUED or event == "requeue" or (before, event) in NEVER_RAN
