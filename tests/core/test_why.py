from __future__ import annotations

from typing import Any

import pytest

from sjs.core.job import End, Job, Spec
from sjs.core.lifecycle import STATES
from sjs.core.needs import WHOLE, Gpu, Machine, Needs
from sjs.core.schedule import Running, Snapshot
from sjs.core.why import MANY, Case, lacks, why
from sjs.values import replace

GIB = 1 << 30
ONE = Needs()
BOX = Machine(4, cpus=8, mem=16 * GIB, gpus=(Gpu("0", 8 * GIB), Gpu("1", 8 * GIB)), named=(("tape", 2),))


def case(needs: Needs = ONE, state: str = "queued", running: tuple[Running, ...] = (), **more: Any) -> Case:
    return Case(Job(7, Spec("a", needs=needs), state, 1.0), Snapshot(BOX, running, ()), **more)


@pytest.mark.parametrize("state", STATES)
def test_there_is_always_a_reason(state: str) -> None:
    assert why(case(state=state))


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (case(), ["nothing: it is about to start"]),
        (case(before=1), ["1 job is before it"]),
        (case(before=1, elsewhere=["waits in Slurm"]), ["waits in Slurm"]),
        (case(before=3), ["3 jobs are before it"]),
        (case(before=MANY), ["10000 jobs or more are before it"]),
        (case(shut=["the manager is drained"], before=2), ["the manager is drained", "2 jobs are before it"]),
        (
            case(state="moving", moving="gpu2"),
            ["it is on its way to gpu2, and starts there; should nobody finish that: rebalance --finish"],
        ),
        (case(state="held"), ["held; release it"]),
        (case(state="held", until="14:00"), ["held; release it", "waits until 14:00"]),
        (case(state="waiting", until="14:00", before=5), ["waits until 14:00"]),
        (
            case(state="waiting", parents=[("ok", 4), ("any", 5), ("notok", 6)], more_parents=2),
            [
                "waits for job 4 to succeed",
                "waits for job 5 to end",
                "waits for job 6 to fail",
                "waits for 2 more jobs",
            ],
        ),
        (case(state="failed", before=5), ["it has ended: failed"]),
        (case(state="running"), ["it is running"]),
    ],
)
def test_reasons(seen: Case, lines: list[str]) -> None:
    assert why(seen) == lines


def test_an_end_is_told_with_its_reason() -> None:
    seen = case(state="timeout")
    late = replace(seen.job, end=End("timeout", detail="it ran longer than 2s"))
    assert why(replace(seen, job=late)) == ["it has ended: timeout: it ran longer than 2s"]


def test_a_job_that_stands_still_says_so() -> None:
    seen = case(state="running")
    assert why(replace(seen, job=replace(seen.job, paused=True))) == ["it is paused; resume it"]


@pytest.mark.parametrize(
    ("needs", "line"),
    [
        (Needs(slots=4), "needs 4 slots, 3 are free"),
        (Needs(cpus=2), "needs 2 cpus, 1 is free"),
        (Needs(mem=16 * GIB), "needs 16G of memory, 15G are free"),
        (Needs(gpus=2 * WHOLE), "needs 2 GPUs, 1 is free"),
        (Needs(gpus=2 * WHOLE, gpu_mem=GIB), "needs 2 GPUs with 1G of memory, 1 is free"),
        (Needs(named=(("tape", 2),)), "needs 2 tape, 1 is free"),
    ],
)
def test_what_is_taken_by_others(needs: Needs, line: str) -> None:
    other = Needs(cpus=7, mem=GIB, gpus=500, named=(("tape", 1),))
    assert why(case(needs, running=(Running(1, 0, needs=other, gpus=(("0", 500),)),))) == [line]


def test_gpus_that_others_use_are_named_to_who_needs_one() -> None:
    snapshot = Snapshot(BOX, (), (), foreign=(("0", WHOLE), ("1", WHOLE)))
    line = "GPU 0, 1: used by processes that are none of this queue's"
    assert why(Case(case(Needs(gpus=500)).job, snapshot)) == ["needs 0.5 GPU, 0 are free", line]
    assert why(Case(case(Needs(gpu_mem=GIB)).job, snapshot))[-1] == line
    assert why(Case(case().job, snapshot)) == ["nothing: it is about to start"]


@pytest.mark.parametrize(
    ("needs", "line"),
    [
        (Needs(), ""),
        (Needs(slots=5), "needs 5 slots, it has 4"),
        (Needs(cpus=9, mem=17 * GIB), "needs 9 cpus, it has 8; needs 17G of memory, it has 16G"),
        (Needs(gpus=3 * WHOLE), "needs 3 GPUs, it has 2"),
        (Needs(gpus=500, gpu_mem=9 * GIB), "needs 0.5 GPU with 9G of memory, it has 0"),
        (Needs(gpu_mem=9 * GIB), "needs a GPU with 9G of memory, it has 0"),
        (Needs(named=(("licence", 1),)), "needs 1 licence, it has 0"),
    ],
)
def test_what_the_machine_does_not_have(needs: Needs, line: str) -> None:
    assert lacks(BOX, needs) == line
    assert why(case(needs))[0] == (f"this machine can not hold it: {line}" if line else "nothing: it is about to start")


def test_where_others_run_jobs_no_node_of_theirs_can_hold_it() -> None:
    found = why(case(Needs(gpus=3 * WHOLE), is_elsewhere=True))
    assert found == ["no node can hold it: needs 3 GPUs, it has 2"]


def test_a_machine_that_runs_nothing_for_now_may_later() -> None:
    assert lacks(replace(BOX, slots=0), Needs(slots=9)) == ""
