"""What a job may take, enforced by the real programs on its whole tree, also when they were killed or replaced."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.still import stand_still
from tests.live.machine import Machine, until
from tests.live.test_tree import ESCAPE, alive, of_job, pids
from tests.live.trees import Tree

LIMIT = 4.0
"""Seconds; most of what is done to the keeper is done before they are over, and it matters little if not."""


def submit(machine: Machine, command: str, **more: Any) -> int:
    with machine.client() as client:
        return int(client.ask("submit", key=None, jobs=[{"command": command, **more}])["first"])


def end(machine: Machine, job: int = 0) -> dict[str, Any]:
    with machine.client() as client:
        return dict(client.ask("wait", jobs=[[job, job]])["job"])


def nothing(machine: Machine, tmp_path: Path) -> None:
    """All go on as they are."""


def another_manager(machine: Machine, tmp_path: Path) -> None:
    machine.kill_manager()


def another_keeper(machine: Machine, tmp_path: Path) -> None:
    old = machine.keeper_pid
    os.kill(old, signal.SIGKILL)
    machine.wait_for_another_keeper(old)


def new_ones(machine: Machine, tmp_path: Path) -> None:
    machine.kill_both()
    machine.start()


def other_code(machine: Machine, tmp_path: Path) -> None:
    done = Tree(tmp_path / "new", "2.0").upgrade(machine)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("change", [nothing, another_manager, another_keeper, new_ones, other_code])
def test_a_timeout_ends_the_whole_tree(
    machine: Machine, tmp_path: Path, change: Callable[[Machine, Path], None]
) -> None:
    """It forks, leaves its session and ignores TERM. Its time goes on from its start, whoever keeps it."""
    job = submit(machine, ESCAPE, timeout=LIMIT, grace=0.2)
    until(lambda: len(pids(machine)) == 4, "its processes")
    change(machine, tmp_path)
    record = end(machine, job)
    assert (record["state"], record["reason"]) == ("timeout", "timeout")
    assert record["detail"].endswith("it ran longer than 4s")
    assert record["ended"] - record["started"] >= LIMIT - 0.1
    assert alive(machine) == []
    assert of_job(machine, job) == []


def test_the_slot_of_who_ran_too_long_is_free(machine: Machine) -> None:
    with machine.client() as client:
        client.ask("configure", max_jobs=1)
        client.ask("submit", key=None, jobs=[{"command": "sleep 600", "timeout": 0.2}, {"command": "exit 3"}])
        client.ask("wait")
        ends = [(one["state"], one["exit"], one["signal"]) for one in client.ask("list")["jobs"]]
    assert ends == [("timeout", None, 15), ("failed", 3, None)]


def test_what_it_reads_and_how_nice_it_is(machine: Machine) -> None:
    (machine.root / "given").write_text("a\nb\n")
    job = submit(machine, "cat; nice; echo e >&2", stdin="given", nice=3, merge=True)
    assert end(machine, job)["exit"] == 0
    with machine.client() as client:
        assert client.output(job) == f"a\nb\n{os.nice(0) + 3}\ne\n".encode()
    record = end(machine, submit(machine, "true", stdin="nowhere"))
    assert (record["reason"], record["detail"]) == (
        "spawn-error",
        f"cannot read {machine.root}/nowhere: No such file or directory",
    )


HOLD = 'held = b"x" * (64 << 20); open("up", "w").close(); import time; time.sleep(600)'


def test_who_takes_too_much_memory_is_ended(machine: Machine) -> None:
    """Not its main process does, but one that has left its session."""
    job = submit(machine, f"setsid {sys.executable} -I -S -c '{HOLD}' & wait", mem=32 << 20)
    record = end(machine, job)
    assert (record["state"], record["reason"]) == ("failed", "oom")
    assert record["detail"].endswith("M of memory, and may take 32M")
    assert of_job(machine, job) == []


COUNT = "n=0; while [ ! -e go ]; do n=$((n + 1)); echo $n; sleep 0.05; done; exit 3"


@pytest.mark.parametrize("change", [nothing, another_manager, another_keeper, new_ones, other_code])
def test_a_paused_job_counts_on_where_it_was(
    machine: Machine, tmp_path: Path, change: Callable[[Machine, Path], None]
) -> None:
    """Whoever keeps it meanwhile. What counts has left the session of the job."""
    job = submit(machine, f"setsid sh -c '{COUNT}' & wait $!; exit 3", timeout=600)

    def counted() -> list[bytes]:
        with machine.client() as client:
            return client.output(job).split()

    until(lambda: len(counted()) > 2, "numbers")
    with machine.client() as client:
        client.ask("pause", jobs=[[job, job]])
    until(lambda: stand_still(of_job(machine, job)), "a stopped tree")
    before = counted()
    change(machine, tmp_path)
    with machine.client() as client:
        assert client.ask("report")["running"] == 1
    assert stand_still(of_job(machine, job))
    assert counted() == before
    with machine.client() as client:
        client.ask("resume", jobs=[[job, job]])
    until(lambda: len(counted()) > len(before), "more numbers")
    (machine.root / "go").touch()
    assert end(machine, job)["state"] in ("failed", "lost")
    numbers = counted()
    assert numbers == [str(number).encode() for number in range(1, len(numbers) + 1)]


def test_a_paused_job_can_be_cancelled(machine: Machine) -> None:
    job = submit(machine, "trap 'exit 5' TERM; echo > up; while :; do sleep 0.05; done", grace=600)
    until((machine.root / "up").exists, "the job")
    with machine.client() as client:
        client.ask("pause", jobs=[[job, job]])
        client.ask("cancel", jobs=[[job, job]])
    record = end(machine, job)
    assert (record["state"], record["exit"]) == ("cancelled", 5)


def test_a_cancel_gives_the_job_its_own_grace(machine: Machine) -> None:
    job = submit(machine, "trap '' TERM; echo > up; while :; do sleep 0.05; done", grace=0)
    until((machine.root / "up").exists, "the job")
    with machine.client() as client:
        client.ask("cancel", jobs=[[job, job]])
    assert end(machine, job)["signal"] == 9
