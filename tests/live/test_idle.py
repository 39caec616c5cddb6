"""An idle manager waits in one system call."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, Machine

SECONDS = 10


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, which scripts/test installs")
def test_no_system_call_in_ten_seconds(machine: Machine, tmp_path: Path) -> None:
    with machine.client() as client:
        client.run("true", "false")
    traces = [trace(pid, tmp_path / f"{pid}.trace") for pid in (machine.manager_pid, machine.keeper_pid)]
    time.sleep(SECONDS)  # not a wait for anything: the test is that nothing happens meanwhile
    for process, path in traces:
        process.terminate()
        process.communicate(timeout=DEADLINE)
        calls = [line for line in path.read_text().splitlines() if "exited" not in line]
        assert len(calls) == 1, calls
        assert "epoll_wait" in calls[0], "strace names the one call in which it found the process"


def trace(pid: int, path: Path, *more: str) -> tuple[subprocess.Popen[bytes], Path]:
    process = subprocess.Popen(["strace", "-f", "-qq", *more, "-o", str(path), "-p", str(pid)], stderr=subprocess.PIPE)
    return process, path
