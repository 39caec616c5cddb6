"""What an idle queue costs: system calls, and memory beside interpreters that have imported as much."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.figures import Effort, Found, Goal, Lacking
from tests.bench.scale import memory
from tests.live.machine import ROOT, Machine, running, until

ROOMS = ("sjs.daemon.keeper.keep", "sjs.daemon.manager.serving")

IMPORTED = """
import sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
__import__(sys.argv[2])
print("\\n".join(name for name in sys.modules if name not in before and not name.startswith("sjs")))
"""

BARE = """
import os, sys
for name in sys.argv[1:]:
    __import__(name)
print(flush=True)
sys.stdin.read()
"""


def idle(effort: Effort) -> Found:
    """Of keeper and manager, after some jobs."""
    if shutil.which("strace") is None:
        raise Lacking("strace is not installed")
    seconds = effort.of(30, 5)
    ours, bare, calls = [], [], 0
    with tempfile.TemporaryDirectory(prefix="sjs-bench-") as folder:
        for _ in range(effort.of(5, 2)):
            with running(Path(folder, "queue")) as machine:
                run_some(machine)
                pids = [machine.keeper_pid, machine.manager_pid]
                ours.append(sum(map(memory, pids)))
                late = [compiled(pid) for pid in pids]
            with interpreters(late) as pids:
                bare.append(sum(map(memory, pids)))
        with running(Path(folder, "queue")) as machine:
            run_some(machine)
            calls = system_calls([machine.keeper_pid, machine.manager_pid], seconds, Path(folder))
    found = Found()
    found.add(f"system calls of both in {seconds} s", "calls", [calls], Goal(0))
    found.add_ratio("memory of both by two interpreters with the same imports", ours, bare, Goal(1.35))
    found.add("memory of both", "MB", ours)
    found.add("memory of two interpreters with the same imports", "MB", bare)
    return found


def run_some(machine: Machine) -> None:
    with machine.client() as client:
        client.run("true", "false")


def system_calls(pids: list[int], seconds: float, folder: Path) -> int:
    """How many they begin meanwhile: all that are traced but the one in which each is found."""
    with contextlib.ExitStack() as stack:
        paths = [folder / f"{pid}.trace" for pid in pids]
        for pid, path in zip(pids, paths, strict=True):
            stack.enter_context(traced(pid, path))
        time.sleep(seconds)  # not a wait for anything: told is what happens meanwhile
    return sum(max(0, len(path.read_text().splitlines()) - 1) for path in paths)


@contextlib.contextmanager
def traced(pid: int, path: Path) -> Iterator[None]:
    """Meanwhile each system call of the process is a line."""
    with subprocess.Popen(["strace", "-f", "-qq", "-e", "signal=none", "-o", str(path), "-p", str(pid)]) as tracer:
        until(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(), "the tracer")
        try:
            yield
        finally:
            tracer.terminate()


def compiled(pid: int) -> list[str]:
    """The modules of which a process has the machine code, and those in Python that they are for: among them are some
    that it has imported late."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    names = set(re.findall(r"/lib-dynload/(\w+)\.", maps))
    return sorted(names | {name.lstrip("_") for name in names} & sys.stdlib_module_names)


@contextlib.contextmanager
def interpreters(late: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """Two that have imported from the standard library what keeper and manager have, and do nothing."""
    with contextlib.ExitStack() as stack:
        pids = []
        for room, more in zip(ROOMS, late, strict=True):
            command = [sys.executable, "-I", "-S", "-c"]
            names = subprocess.run(
                [*command, IMPORTED, str(ROOT), room], text=True, capture_output=True, check=True
            ).stdout.split()
            bare = stack.enter_context(
                subprocess.Popen([*command, BARE, *names, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            assert bare.stdout is not None and bare.stdout.readline() == b"\n"
            pids.append(bare.pid)
        yield pids
