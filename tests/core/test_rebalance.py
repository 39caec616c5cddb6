from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core.job import Job, Report, Spec
from sjs.core.lifecycle import STATES
from sjs.core.needs import Gpu, Machine, Needs
from sjs.core.rebalance import Candidate, Parting, is_shut, partings, stays
from sjs.values import replace

PLAIN = Needs()
GPU = Needs(gpus=1000)


def report(name: str, running: int = 0, maximum: int = 1, queued: int = 0, **more: Any) -> Report:
    return Report(name, running, maximum, queued, **more)


def last_first(count: int, **more: Any) -> list[Candidate]:
    return [Candidate(number, more.get("needs", PLAIN), more.get("among")) for number in reversed(range(count))]


def moved(reports: list[Report], queues: dict[str, list[Candidate]], *to: str, wanted: bool = False) -> Any:
    found = partings(reports, queues, to or [one.name for one in reports], wanted)
    return {(one.source, one.target): list(one.jobs) for one in found}


def test_what_waits_last_goes_where_the_backlog_is_shorter() -> None:
    fleet = [report("a", 2, 2, 8), report("b", 2, 2, 0)]
    assert moved(fleet, {"a": last_first(8), "b": []}) == {("a", "b"): [4, 5, 6, 7]}
    assert moved(fleet, {"a": last_first(2), "b": []}) == {("a", "b"): [0, 1]}
    assert partings(fleet, {"a": last_first(1)}, ["b"]) == [Parting("a", "b", [0])]


def test_slots_that_are_free_are_filled_and_those_that_have_more_get_more() -> None:
    fleet = [report("a", 1, 1, 9), report("b", 0, 6, 0), report("c", 0, 2, 0)]
    found = moved(fleet, {"a": last_first(9)})
    assert {pair: len(jobs) for pair, jobs in found.items()} == {("a", "b"): 7, ("a", "c"): 2}


def test_what_is_level_or_about_to_start_stays() -> None:
    assert moved([report("a", 1, 1, 1), report("b", 1, 1, 0)], {"a": last_first(1)}) == {}
    assert moved([report("a", 0, 1, 1), report("b", 0, 4, 0)], {"a": last_first(1)}) == {}


def test_two_full_ones_do_not_pass_jobs_to_and_fro() -> None:
    fleet = [report("a", 2, 2, 5), report("b", 2, 2, 4)]
    assert moved(fleet, {"a": last_first(5), "b": last_first(4)}) == {}


@pytest.mark.parametrize("shut", [{"drained": True}, {"maximum": 0}])
def test_who_starts_nothing_gives_all_and_gets_none(shut: dict[str, Any]) -> None:
    fleet = [report("a", **{"queued": 3, **shut}), report("b", 1, 1, 50)]
    assert is_shut(fleet[0])
    assert moved(fleet, {"a": last_first(3), "b": last_first(50)}) == {("a", "b"): [0, 1, 2]}
    assert moved(fleet, {"a": last_first(3), "b": last_first(50)}, "a") == {}


def test_who_waits_for_a_gpu_goes_where_one_is_free_though_slots_are_free_here() -> None:
    two = Machine(8, gpus=(Gpu("0"),))
    busy = report("a", 1, 8, 2, machine=two, taken=Needs(), granted=(("0", 1000),))
    free = report("b", 0, 8, 0, machine=two)
    none = report("c", 0, 8, 0, machine=Machine(8))
    assert moved([busy, free, none], {"a": last_first(2, needs=GPU)}) == {("a", "b"): [1]}
    assert moved([replace(busy, max_running=2), none], {"a": last_first(2, needs=GPU)}) == {}


def test_a_job_goes_only_where_the_word_that_was_typed_for_it_leads() -> None:
    fleet = [report("a", 1, 1, 4), report("b", 0, 4, 0), report("c", 0, 4, 0)]
    jobs = [*last_first(2, among=frozenset("ac")), Candidate(7, PLAIN, frozenset("a"))]
    assert moved(fleet, {"a": jobs}) == {("a", "c"): [0, 1]}


def test_what_somebody_names_goes_whatever_is_gained() -> None:
    fleet = [report("a", 0, 9, 2), report("b", 1, 1, 90)]
    assert moved(fleet, {"a": last_first(2)}, "b") == {}
    assert moved(fleet, {"a": last_first(2)}, "b", wanted=True) == {("a", "b"): [0, 1]}


fleets = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 30)), min_size=2, max_size=5).map(
    lambda rows: [Report(f"m{number}", min(row[0], row[1]), row[1], row[2]) for number, row in enumerate(rows)]
)


@given(fleets)
def test_nobody_is_fuller_for_what_has_moved_and_nothing_is_lost(fleet: list[Report]) -> None:
    queues = {one.name: last_first(one.queued) for one in fleet}
    found = partings(fleet, queues, [one.name for one in fleet])
    assert all(one.source != one.target and one.jobs for one in found)
    load = {one.name: one.running + one.queued for one in fleet}
    for one in found:
        assert set(one.jobs) <= {job.id for job in queues[one.source]}
        load[one.source] -= len(one.jobs)
        load[one.target] += len(one.jobs)
    for source in {one.source for one in found}:
        gone = [number for one in found if one.source == source for number in one.jobs]
        assert len(gone) == len(set(gone))
    open_ones = [one for one in fleet if one.max_running]
    if len(open_ones) == len(fleet):  # else they have to take what others cannot start
        fullest = max((one.running + one.queued) / one.max_running for one in fleet)
        assert all(load[one.name] / one.max_running <= max(fullest, 1.0) for one in fleet)


def job(state: str = "queued", **more: Any) -> Job:
    return Job(1, Spec("x"), state, 1.0, **more)


@pytest.mark.parametrize(
    ("one", "why", "even_so"),
    [
        (job(via="any"), "", ""),
        (job(), "was sent there by name", ""),
        (job("held", via="any"), "is held", ""),
        (job("waiting", via="any", due=9.0), "waits for its time", ""),
        (job("waiting", via="any"), "waits for other jobs there", "waits for other jobs there"),
        (job(via="any", attempt=1), "has run there before", "has run there before"),
        (job("moving", via="any"), "is on its way already", "is on its way already"),
        (job(via="any", submitter="a"), *["came through a gate, which is that machine's"] * 2),
        (job("running", via="any"), "is running", "is running"),
    ],
)
def test_who_stays_and_who_goes_if_somebody_wants_it(one: Job, why: str, even_so: str) -> None:
    assert (stays(one, wanted=False), stays(one, wanted=True)) == (why, even_so)


@pytest.mark.parametrize("state", STATES)
def test_every_state_has_its_answer(state: str) -> None:
    assert (stays(job(state, via="any"), wanted=False) == "") == (state == "queued")


def test_what_overflowed_comes_back_for_room_and_for_nothing_else() -> None:
    back = [Candidate(number, among=frozenset("ab"), spilled=True, needs=PLAIN) for number in (2, 1, 0)]
    cluster = report("c", 1, 100, 3)
    full = report("b", 1, 1, 0)
    assert moved([report("a", 1, 3, 0), full, cluster], {"c": back}) == {("c", "a"): [1, 2]}
    assert moved([report("a", 1, 1, 0), full, cluster], {"c": back}) == {}, "though it is behind others there"
    assert moved([full, replace(cluster, drained=True)], {"c": back}) == {("c", "b"): [0, 1, 2]}
