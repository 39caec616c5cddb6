"""A machine that is restarted: every process is gone, pids are given anew, and the boot id is another."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest

from tests.live.machine import Machine, running, until, wait_for_end

QUEUED = int(os.environ.get("SJS_TEST_QUEUED", "200"))
RUNNING = 8

BOOT_ID = "/proc/sys/kernel/random/boot_id"
WITH_ANOTHER = ["unshare", "-m", "sh", "-c", f'mount --bind "$0" {BOOT_ID} && exec "$@"']

# What ran when the machine went down would have run for ever; the next attempt of it does not.
LONG = "[ $SJS_ATTEMPT -gt 1 ] || exec sleep 600; echo $SJS_JOB_ID.$SJS_ATTEMPT >> ran"
SHORT = "echo $SJS_JOB_ID.$SJS_ATTEMPT >> ran"


def mounts() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run([*WITH_ANOTHER, "/dev/null", "true"], capture_output=True).returncode == 0


def go_down(machine: Machine, pids: list[int]) -> None:
    """Everything at once."""
    machine.kill_both()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_for_end(pid)


def come_up(machine: Machine, folder: Path) -> None:
    (folder / "boot_id").write_text(f"{uuid4()}\n")
    machine.program = [*WITH_ANOTHER, str(folder / "boot_id"), *machine.program]
    machine.start()


def give_pid(machine: Machine, tag: str, pid: int) -> None:
    """The job's pid is another process's now, born just when the job was, as far as ticks can tell."""
    for path in machine.state.glob("journal.*"):
        text = path.read_text()
        if f"\nS {tag} " in text:
            path.write_text(re.sub(rf"\nS {re.escape(tag)} [^\n]*", f"\nS {tag} [{pid},[0,{1 << 60}]]", text))
            return
    raise AssertionError(f"{tag} is in no journal")


@pytest.mark.skipif(not mounts(), reason="only root can put another boot id in the place of the kernel's")
def test_reboot(tmp_path: Path) -> None:
    innocent = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with running(tmp_path / "machine", RUNNING) as machine:
        with machine.client() as client:
            policies = ["fail", "requeue"] * (RUNNING // 2)
            client.ask("submit", jobs=[{"command": LONG, "on_lost": policy} for policy in policies])
            client.submit(*[SHORT] * QUEUED)
            until(lambda: client.ask("report")["counts"]["running"] == RUNNING, "the running jobs")
            pids = [record["pid"] for record in client.ask("list", states=["running"])["jobs"]]
        go_down(machine, pids)
        give_pid(machine, "0.1", innocent.pid)
        give_pid(machine, "1.1", innocent.pid)
        come_up(machine, tmp_path)
        with machine.client() as client:
            counts = client.ask("wait", jobs=None)["counts"]
            records = client.ask("list", jobs=[[0, RUNNING - 1]])["jobs"]
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()
    assert counts == {"lost": RUNNING // 2, "succeeded": RUNNING // 2 + QUEUED}
    assert [(one["state"], one["attempt"]) for one in records] == [("lost", 1), ("succeeded", 2)] * (RUNNING // 2)
    assert {one["reason"] for one in records if one["state"] == "lost"} == {"host-lost"}
    ran = Counter((tmp_path / "machine" / "ran").read_text().split())
    again = [f"{number}.2" for number in range(1, RUNNING, 2)]
    assert ran == Counter(again + [f"{number}.1" for number in range(RUNNING, RUNNING + QUEUED)])
