"""A machine whose boot clock is somewhere else: in a time namespace, as after a long sleep."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.live.machine import Machine, until, wait_for_end

AHEAD = ["unshare", "--time", "--fork", "--boottime", "864000"]


def can_unshare() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run([*AHEAD, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs root and a kernel with time namespaces")
def test_ten_days_ahead(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    outside = machine.program
    machine.program = [*AHEAD, *outside]
    try:
        machine.start(2)
        machine.program = outside
        with machine.client() as client:
            (short,) = client.run("exit 3")
            assert (short["exit"], 0 <= short["ended"] - short["started"] < 60) == (3, True)
            assert client.ask("wait", jobs=None, timeout=60)["done"]
            client.submit("echo up > up; sleep 2; exit 4")
            until((tmp_path / "up").exists, "the job")
        keeper = machine.keeper_pid
        os.kill(keeper, signal.SIGKILL)
        wait_for_end(keeper)
        with machine.client() as client:
            client.ask("wait", jobs=None)
            (adopted,) = client.ask("list", jobs=[[1, 1]])["jobs"]
        assert adopted["state"] in ("failed", "lost")
        assert 1 <= adopted["ended"] - adopted["started"] < 60, "it was found again, and not taken for dead"
    finally:
        machine.stop()
