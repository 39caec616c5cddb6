from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core.job import Report
from sjs.core.needs import Gpu, Machine, Needs
from sjs.sweeping.ahead import FEW, SPAN, Ends, Pace, overflowing, reserve, wanted
from sjs.values import replace

IDLE = Report("m", running=0, max_running=4, queued=0)
PLAIN = Needs()


def paced(*ends: tuple[float, int]) -> Pace:
    pace = Pace()
    for at, count in ends:
        pace = pace.after(Ends(at, count))
    return pace


def test_the_pace_is_that_of_the_last_seconds() -> None:
    assert paced().rate == paced((0, 5)).rate == 0.0
    assert paced((0, 0), (2, 8)).rate == 4.0
    assert paced((0, 0), (100, 1_000), (100 + SPAN, 1_000)).rate == 0.0
    assert paced((0, 0), (100, 1_000), (104, 1_040)).rate == pytest.approx(1_040 / 104)


def test_what_is_remembered_does_not_grow_with_time() -> None:
    pace = paced(*((number / 10, number) for number in range(1_000)))
    assert len(pace.seen) <= SPAN * 10 + 2
    assert pace.rate == pytest.approx(10, rel=0.01)


def test_there_is_a_reserve_only_where_jobs_are_short() -> None:
    assert reserve(paced((0, 0)), 0.1) == 0
    assert reserve(paced((0, 0), (4, 1)), 0.5) == 0  # a slot that is free for half a second in four
    assert reserve(paced((0, 0), (1, 100)), 0.1) == 20
    assert reserve(paced((0, 0), (1, 3)), 0.1) == 1


@pytest.mark.parametrize(
    ("report", "in_reserve", "has_ours", "count"),
    [
        (IDLE, 0, False, 4),
        (IDLE, 3, False, 7),
        (replace(IDLE, running=3), 0, True, 1),
        (replace(IDLE, running=4, queued=2), 5, True, 3),
        (replace(IDLE, running=4, queued=9), 0, True, 0),
        (replace(IDLE, running=4, queued=9), 0, False, 1),
        (replace(IDLE, running=4), 0, True, 0),
        (replace(IDLE, drained=True), 3, False, 0),
        (replace(IDLE, sick="all fail"), 3, False, 0),
        (replace(IDLE, max_running=0), 3, False, 0),
    ],
)
def test_a_machine_gets_what_fills_its_slots_and_its_reserve(
    report: Report, in_reserve: int, has_ours: bool, count: int
) -> None:
    assert wanted(report, PLAIN, in_reserve, has_ours) == count


def test_places_are_counted_by_what_a_job_takes() -> None:
    machine = Machine(slots=8, cpus=8, mem=2**34, gpus=(Gpu("0"), Gpu("1")))
    report = Report("m", 0, 8, 0, machine=machine)
    assert wanted(report, Needs(gpus=1_000), 0, False) == 2
    assert wanted(replace(report, queued=1), Needs(gpus=1_000), 0, True) == 1
    taken = replace(report, running=2, granted=(("0", 1_000), ("1", 1_000)))
    assert wanted(taken, Needs(gpus=1_000), 0, True) == 0


@given(
    st.builds(Report, st.just("m"), st.integers(0, 9), st.integers(0, 9), st.integers(0, 20)),
    st.integers(0, 9),
    st.booleans(),
)
def test_nobody_gets_more_than_slots_and_reserve(report: Report, in_reserve: int, has_ours: bool) -> None:
    count = wanted(report, PLAIN, in_reserve, has_ours)
    assert 0 <= count <= max(1, report.max_running + in_reserve)
    if count > 1:
        assert count + report.queued <= max(0, report.max_running - report.running) + in_reserve


@pytest.mark.parametrize(
    ("report", "ours", "count"),
    [
        (replace(IDLE, max_running=1_000), 0, FEW),
        (replace(IDLE, max_running=1_000, running=40), 40, 40),
        (replace(IDLE, max_running=1_000, running=999), 40, 1),
        (replace(IDLE, max_running=1_000, queued=1), 0, 0),
        (replace(IDLE, drained=True), 0, 0),
        (replace(IDLE, sick="fails all"), 0, 0),
    ],
)
def test_an_overflow_gets_what_it_starts_at_once_and_not_all_there_is(report: Report, ours: int, count: int) -> None:
    assert overflowing(report, PLAIN, ours) == count
