"""How many jobs that do nothing go through two slots in a second, beside other programs and what the machine can do."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench import peers
from tests.bench.figures import Effort, Found, Goal, in_turns
from tests.live.machine import ROOT, Machine

TEXT = " ".join(peers.JOB[2:])
"""A job's text is given to a shell, as those of the others are."""

PIECE = 1000

GOALS = {
    "xargs": Goal(0.8, at_least=True),
    "parallel": Goal(4, at_least=True),
    "hyperqueue": Goal(4, at_least=True),
    "hypershell": Goal(4, at_least=True),
    "task-spooler": Goal(1.5, at_least=True),
}


class Spent(NamedTuple):
    """Seconds of processors' time; `jobs` is that of the keeper's children."""

    manager: float
    keeper: float
    jobs: float


def rate(effort: Effort) -> Found:
    """Jobs a second, and how many times those of each of the others."""
    count = effort.of(1000, 200)
    found = Found()
    spent: list[Spent] = []
    runners: dict[str, Callable[[int], float]] = {
        "sjs": partial(queue, ROOT, spent),
        "fork and exec": peers.fork_and_exec,
    }
    for name, run in peers.RUNNERS.items():
        if peers.is_here(name):
            runners[name] = run
        else:
            found.notes.append(f"{name} is not installed")
    runners.update({str(tree): partial(queue, tree, []) for tree in effort.beside})
    taken = in_turns({name: partial(run, count) for name, run in runners.items()}, effort.of(5, 1))
    rates = {name: [count / seconds for seconds in each] for name, each in taken.items()}
    for name in peers.RUNNERS:
        if name in rates:
            found.add_ratio(f"sjs by {name}", rates["sjs"], rates[name], GOALS[name])
    for name, each in rates.items():
        found.add(name, "jobs a second", each)
    for who in Spent._fields:
        found.add(f"processors' time of {who}", "µs a job", [1e6 * getattr(one, who) / count for one in spent])
    busy = [len(os.sched_getaffinity(0)) * count / sum(one) for one in spent]
    found.add("with all processors busy all the time it would be", "jobs a second", busy)
    return found


def queue(tree: Path, spent: list[Spent], count: int) -> float:
    """From the first submit until a wait for all is answered, by a manager that runs already."""
    with tempfile.TemporaryDirectory(prefix="sjs-bench-") as folder:
        machine = Machine(Path(folder))
        machine.program = [sys.executable, "-I", "-S", str(tree / "sjs" / "daemon")]
        machine.start(peers.SLOTS)
        try:
            with machine.client() as client:
                before = spent_by(machine)
                begin = time.perf_counter()
                for low in range(0, count, PIECE):
                    jobs = [{"command": TEXT}] * min(PIECE, count - low)
                    client.ask("submit", key=None, jobs=jobs)
                counts = client.ask("wait", jobs=None)["counts"]
                took = time.perf_counter() - begin
            spent.append(Spent(*(now - then for now, then in zip(spent_by(machine), before, strict=True))))
            assert counts == {"succeeded": count}, counts
            return took
        finally:
            machine.stop()


def spent_by(machine: Machine) -> Spent:
    """So far."""
    manager, keeper = times(machine.manager_pid), times(machine.keeper_pid)
    return Spent(manager[0] + manager[1], keeper[0] + keeper[1], keeper[2] + keeper[3])


def times(pid: int) -> list[float]:
    """User's and system's time of a process, then those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[11:15]]
