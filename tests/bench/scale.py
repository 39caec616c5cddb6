"""What a million jobs cost that wait, or that have ended, beside a queue that is as good as empty."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.figures import Effort, Found, Goal, in_turns
from tests.bench.large import BLOCK, fill
from tests.live.machine import DEADLINE, ROOT, Client, Machine

MILLION = 1_000_000
SLOTS = 2

SMALL = 5 * BLOCK

PIECE = 500
"""Jobs that are run in one turn."""

Queues = dict[str, Machine]


def queued(effort: Effort) -> Found:
    """A million that wait, by a few that do."""
    count = effort.of(MILLION, MILLION // 10)
    found = Found(notes=[f"{count:,} jobs beside {SMALL:,}"])
    with queues({"small": SMALL, "large": count}) as both:
        starts = in_turns({name: partial(ready, both[name]) for name in both}, effort.of(5, 2))
        with sessions(both) as asked:
            reports = in_turns({name: partial(request, asked[name], "report") for name in both}, effort.of(51, 11))
            commands = in_turns({name: partial(status, both[name]) for name in both}, effort.of(7, 2))
            held = {name: memory(both[name].manager_pid) for name in both}
            pieces = {name: iter(range(0, SMALL, PIECE)) for name in both}
            rates = in_turns(
                {name: partial(jobs_a_second, asked[name], pieces[name]) for name in both}, effort.of(SMALL // PIECE, 1)
            )
    found.add_ratio("status as a request", reports["large"], reports["small"], Goal(2))
    found.add_ratio("submit local status", commands["large"], commands["small"], Goal(2))
    found.add("memory of the manager", "MB", [held["large"]], Goal(120))
    found.add_ratio("from the start until it is ready", starts["large"], starts["small"], Goal(3))
    found.add_ratio("jobs a second", rates["large"], rates["small"], Goal(0.9, at_least=True))
    for name in both:
        found.add(f"{name}: status as a request", "ms", [1000 * one for one in reports[name]])
        found.add(f"{name}: submit local status", "ms", [1000 * one for one in commands[name]])
        found.add(f"{name}: memory of the manager", "MB", [held[name]])
        found.add(f"{name}: from the start until it is ready", "ms", [1000 * one for one in starts[name]])
        found.add(f"{name}: jobs a second", "a second", rates[name])
    return found


def finished(effort: Effort) -> Found:
    """A list of the newest hundred of a million that have ended."""
    count = effort.of(MILLION, MILLION // 10)
    found = Found(notes=[f"{count:,} jobs"])
    with queues({"large": count}, ended=True) as one, sessions(one) as asked:
        newest = partial(request, asked["large"], "list", limit=100, newest=True)
        newest()
        lists = [newest() for _ in range(effort.of(21, 7))]
        failed = [request(asked["large"], "list", limit=100, newest=True, states=["failed"]) for _ in range(5)]
    found.add("the newest 100, asked through a session", "ms", [1000 * one for one in lists], Goal(50))
    found.add("the newest 100 that failed", "ms", [1000 * one for one in failed])
    return found


@contextlib.contextmanager
def queues(sizes: dict[str, int], ended: bool = False) -> Iterator[Queues]:
    """Machines with so many jobs, whose managers run none of them."""
    with tempfile.TemporaryDirectory(prefix="sjs-bench-") as folder:
        machines = {name: Machine(Path(folder, name)) for name in sizes}
        try:
            for name, machine in machines.items():
                machine.root.mkdir()
                fill(machine.root, sizes[name], ended)
                machine.start(0)
            yield machines
        finally:
            for machine in machines.values():
                machine.stop()


@contextlib.contextmanager
def sessions(machines: Queues) -> Iterator[dict[str, Client]]:
    """One with each of them."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(machine.client()) for name, machine in machines.items()}


def ready(machine: Machine) -> float:
    """Stop it, then start it: seconds until it has greeted somebody."""
    machine.stop()
    begin = time.perf_counter()
    machine.start(0)
    with machine.client() as client:
        assert client.refused is None
        return time.perf_counter() - begin


def request(client: Client, op: str, **fields: object) -> float:
    begin = time.perf_counter()
    client.ask(op, **fields)
    return time.perf_counter() - begin


def status(machine: Machine) -> float:
    """The whole command, without anything of ours that runs already."""
    config = machine.root / "config.yaml"
    if not config.exists():
        config.write_text(f"managers:\n  m: {{transport: local, project_root: {machine.root}, pipe: jobs.pipe}}\n")
        config.chmod(0o600)
    environ = {**os.environ, "SJS_NO_LINK": "1", "HOME": str(machine.root)}
    command = [str(ROOT / "submit"), "--config", str(config), "m", "status"]
    begin = time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True, timeout=DEADLINE)
    return time.perf_counter() - begin


def jobs_a_second(client: Client, pieces: Iterator[int]) -> float:
    """Of the next ones, which are alike in both."""
    first = next(pieces)
    begin = time.perf_counter()
    client.ask("configure", max_jobs=SLOTS)
    client.ask("wait", jobs=[[first, first + PIECE - 1]])
    took = time.perf_counter() - begin
    client.ask("configure", max_jobs=0)
    return PIECE / took


def memory(pid: int) -> float:
    """Megabytes of a process; of what it shares with others, its share."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    assert found
    return int(found[1]) / 1024
