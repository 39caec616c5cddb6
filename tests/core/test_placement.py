from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core.job import Report
from sjs.core.needs import WHOLE, Gpu, Machine, Needs
from sjs.core.placement import after, can_hold, choose, places

counts = st.integers(0, 9) | st.integers(0, 10**6) | st.integers(0, 2**62)
fleets = st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=8).map(
    lambda rows: [Report(f"m{index}", *row) for index, row in enumerate(rows)]
)


def report(name: str, running: int = 0, maximum: int = 1, queued: int = 0) -> Report:
    return Report(name, running, maximum, queued)


def deal(reports: Sequence[Report], wanted: int) -> dict[str, int]:
    return dict(choose(reports, wanted))


def test_free_slots_go_first_and_most_free_before_all() -> None:
    fleet = [report("a", maximum=2), report("b", maximum=6, running=1), report("c", maximum=4)]
    assert choose(fleet, 1) == [("b", 1)]
    assert deal(fleet, 9) == {"b": 5, "c": 4}
    assert deal(fleet, 11) == {"a": 2, "b": 5, "c": 4}


def test_what_finds_no_slot_levels_the_backlog_per_slot() -> None:
    fleet = [report("a", 1, 1, 0), report("b", 4, 4, 0)]
    assert deal(fleet, 10) == {"a": 2, "b": 8}


def test_a_long_queue_gets_nothing_until_the_others_are_as_long() -> None:
    fleet = [report("a", 1, 1, 50), report("b", 1, 1, 0)]
    assert deal(fleet, 50) == {"b": 50}
    assert deal(fleet, 52) == {"a": 1, "b": 51}


def test_queued_jobs_will_take_free_slots_so_they_are_not_free() -> None:
    assert report("a", running=1, maximum=4, queued=2).free == 1
    assert report("a", running=1, maximum=4, queued=9).free == 0
    assert report("a", running=5, maximum=4).free == 0


def test_a_paused_target_gets_jobs_only_where_all_are_paused() -> None:
    assert deal([report("a", maximum=0), report("b", 9, 1, 99)], 5) == {"b": 5}
    assert deal([report("a", 0, 0, 3), report("b", 0, 0, 0)], 3) == {"b": 3}


@pytest.mark.parametrize(("fleet", "wanted"), [([], 5), ([report("a")], 0), ([report("a")], -1)])
def test_nothing_to_deal_or_nobody_to_deal_to(fleet: list[Report], wanted: int) -> None:
    assert choose(fleet, wanted) == []


def test_ties_are_settled_in_the_order_that_the_caller_gives() -> None:
    fleet = [report("a"), report("b"), report("c")]
    assert choose(fleet, 1) == [("a", 1)]
    assert choose(fleet, 1, lambda count: list(reversed(range(count)))) == [("c", 1)]


def test_dealing_in_pieces_goes_on_where_the_last_piece_ended() -> None:
    fleet = [report("a", maximum=2), report("b", maximum=2)]
    assert after(fleet, [("a", 2)]) == [report("a", maximum=2, queued=2), report("b", maximum=2)]
    assert deal(after(fleet, [("a", 2)]), 2) == {"b": 2}


@given(fleets, counts)
def test_all_are_dealt_each_to_a_target_that_was_named(fleet: list[Report], wanted: int) -> None:
    dealt = choose(fleet, wanted)
    assert sum(share for _, share in dealt) == wanted
    assert all(share > 0 for _, share in dealt)
    names = [name for name, _ in dealt]
    assert len(set(names)) == len(names)
    assert set(names) <= {one.name for one in fleet}


@given(fleets, counts)
def test_nobody_waits_while_another_has_a_free_slot(fleet: list[Report], wanted: int) -> None:
    shares = deal(fleet, wanted)
    crowded = [one for one in fleet if shares.get(one.name, 0) > one.free]
    idle = [one for one in fleet if shares.get(one.name, 0) < one.free]
    assert not (crowded and idle)


@given(fleets, counts)
def test_no_job_would_wait_less_elsewhere(fleet: list[Report], wanted: int) -> None:
    """Whoever got more than its free slots is, but for its last job, no fuller than any other able target."""
    shares = deal(fleet, wanted)
    able = [one for one in fleet if one.max_running] or fleet

    def load(one: Report, less: int = 0) -> tuple[int, int]:
        return one.running + one.queued + shares.get(one.name, 0) - less, max(1, one.max_running)

    for crowded in (one for one in able if shares.get(one.name, 0) > one.free):
        for other in able:
            mine, my_slots = load(crowded, less=1)
            its, its_slots = load(other)
            assert mine * its_slots <= (its + 1) * my_slots


# Jobs that need more than a slot

GPU = Needs(gpus=WHOLE)
HALF = Needs(gpus=WHOLE // 2, cpus=1, named=(("tape", 1),))


def machine(name: str, gpus: int = 0, cpus: int = 8, slots: int = 4, tapes: int = 9, **more: Any) -> Report:
    named = tuple(Gpu(str(number)) for number in range(gpus))
    return Report(name, 0, slots, 0, machine=Machine(slots, cpus, gpus=named, named=(("tape", tapes),)), **more)


def test_who_could_never_hold_it_gets_none() -> None:
    fleet = [report("silent", maximum=99), machine("plain", slots=50), machine("gpu", gpus=2)]
    assert choose(fleet, 5, needs=GPU) == [("gpu", 5)]
    assert choose(fleet, 5, needs=Needs(gpus=3 * WHOLE)) == []
    assert [can_hold(one, Needs()) for one in fleet] == [True] * 3


def test_they_go_first_to_where_they_can_start_now() -> None:
    busy = machine("busy", gpus=4, granted=tuple((str(number), WHOLE) for number in range(4)))
    fleet = [busy, machine("free", gpus=2)]
    assert places(busy, GPU, 9) == 0
    assert choose(fleet, 2, needs=GPU) == [("free", 2)]


def test_a_drained_target_gets_jobs_only_where_all_are_so() -> None:
    drained = machine("a", drained=True)
    assert drained.free == 0
    assert choose([drained, machine("b", slots=1)], 5) == [("b", 5)]
    assert choose([drained], 5) == [("a", 5)]


def test_a_target_that_runs_nothing_for_now_may_hold_it_later() -> None:
    assert can_hold(machine("a", slots=0, cpus=2), Needs(slots=3, cpus=2))


def test_what_was_dealt_is_taken() -> None:
    (once,) = after([machine("a", gpus=1, tapes=3)], [("a", 1)], HALF)
    assert (once.queued, once.taken, once.granted) == (1, Needs(1, 1, named=(("tape", 1),)), (("0", 500),))
    assert places(once, HALF, 9) == 1
    (twice,) = after([once], [("a", 5)], HALF)
    assert (twice.queued, twice.taken.named, twice.granted) == (6, (("tape", 2),), (("0", WHOLE),))
    assert places(twice, HALF, 9) == 0


def test_one_without_bounds_may_get_whatever_a_job_needs() -> None:
    big = Needs(cpus=64, gpus=8_000)
    cluster = Report("c", 1, 100, 0, boundless=True)
    assert choose([cluster, report("a", 0, 9)], 3, needs=big) == [("c", 3)]
