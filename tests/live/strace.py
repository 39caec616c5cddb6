"""Faults at a chosen system call of a chosen process, by strace."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, until, wait_for_end

KILL = "signal=SIGKILL"
"""The kernel kills it as it enters the call, before that has done anything."""

MANAGER_STEPS = {
    "read": "read",  # bytes of a request are in the pipe
    "hear": "recvfrom",  # the keeper has something to say
    "write": "pwrite64",  # into the database's log
    "commit": "fdatasync",
    "tell": "sendto",  # the keeper is to start, stop or forget
    "answer": "write",  # the reply of a request that is durable
}

KEEPER_STEPS = {
    "hear": "recvfrom",  # the manager has an order
    "spawn": "?clone,?clone3,?vfork",
    "record": "write",  # into its journal
    "reap": "wait4",
    "tell": "sendto",  # the manager hears of a start or an end
}

needed = pytest.mark.skipif(
    shutil.which("strace") is None and not os.environ.get("CI"), reason="needs strace, which scripts/test installs"
)


def injecting(call: str, fault: str, when: int, log: str = os.devnull) -> list[str]:
    """What a command is put behind to have the fault at its Nth such call."""
    return ["strace", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={when}"]


@contextlib.contextmanager
def watching(pid: int, call: str, path: str, log: Path) -> Iterator[None]:
    """Meanwhile each such call of a process that runs, and that is about this path, becomes a line of the log."""
    command = ["strace", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", "signal=none", "-P", path, "-p", str(pid)]
    with subprocess.Popen(command) as tracer:
        until(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(), "the tracer")
        try:
            yield
        finally:
            tracer.terminate()


def kill_at(pid: int, call: str, when: int) -> None:
    """Kill a process that runs as it enters its Nth such call from now on."""
    tracer = subprocess.Popen([*injecting(call, KILL, when), "-p", str(pid)], stderr=subprocess.PIPE)
    try:
        wait_for_end(pid)
    finally:
        tracer.kill()
        tracer.communicate(timeout=DEADLINE)
