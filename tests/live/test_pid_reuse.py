"""A pid that was a job's, and is an innocent process's: it is never signalled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, ROOT

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "2"))

# The shell is the init process there: it reaps orphans, and everything ends with it.
NAMESPACE = ["unshare", "-p", "-f", "--mount-proc", "sh", "-c", '"$@" & wait $!', "sh"]


def has_namespaces() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return (
        subprocess.run([*NAMESPACE, "test", "-w", "/proc/sys/kernel/ns_last_pid"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not has_namespaces(), reason="only root can choose the next pid, in a pid namespace")
def test_an_innocent_process_of_the_same_pid_is_spared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "machine").mkdir()
    command = [*NAMESPACE, sys.executable, "-m", "tests.live.pid_reuse", str(tmp_path / "machine"), str(ROUNDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE + 10 * ROUNDS)
    with capsys.disabled():
        print(f"\n{done.stdout}", end="")
    log = (tmp_path / "machine/.sjs/jobs.pipe/manager.log").read_text()
    assert done.stdout == f"innocent processes with a job's pid: {ROUNDS + 1}, spared: {ROUNDS + 1}\n", (
        done.stderr + log
    )
