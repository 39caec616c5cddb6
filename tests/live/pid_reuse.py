"""Run in a pid namespace of its own, where the next pid can be chosen: a job's pid becomes an innocent process's.

python -m tests.live.pid_reuse FOLDER ROUNDS
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sjs.daemon.keeper import tree
from tests.live.machine import Machine, until

ESCAPED = "setsid sh -c 'trap \"\" TERM; echo $$ > escaped; while :; do sleep 0.05; done' &"


def innocent(pid: int) -> subprocess.Popen[bytes]:
    """A process with this pid, at the head of a session, as a job's is."""
    for _ in range(100):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(["sleep", "600"], start_new_session=True)
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"pid {pid} was not to be had")


def while_nobody_looks(machine: Machine) -> bool:
    """The job ends while neither keeper nor manager is there."""
    with machine.client() as client:
        number = client.submit("exec sleep 600")["first"]
        until(lambda: client.ask("report")["counts"]["running"] == 1, "the job")
        pid = client.ask("list", jobs=[[number, number]])["jobs"][0]["pid"]
    machine.kill_both()
    os.kill(pid, signal.SIGKILL)
    until(lambda: tree.stat(pid) is None, "the reaping of the job")
    other = innocent(pid)
    machine.start()
    with machine.client() as client:
        client.ask("cancel", jobs=[[number, number]], grace=0)
        record = client.ask("wait", jobs=[[number, number]])["job"]
    return record["state"] == "lost" and lives(other)


def while_what_it_left_is_ended(machine: Machine) -> bool:
    """Its session is empty, something of it lives elsewhere, and gets TERM and KILL."""
    (machine.root / "escaped").unlink(missing_ok=True)
    with machine.client() as client:
        number = client.submit(f"{ESCAPED} while [ ! -s escaped ]; do sleep 0.02; done; echo $$ > main; sleep 600")[
            "first"
        ]
        path = machine.root / "main"
        until(lambda: path.exists() and path.read_text().endswith("\n"), "the job")
        pid = int(path.read_text())
        path.unlink()
        session = [one.pid for one in tree.processes().values() if one.session == pid]
        for one in session:
            with suppress(ProcessLookupError):  # a sleep of it that has just ended
                os.kill(one, signal.SIGKILL)
        until(lambda: not any(tree.stat(one) for one in session), "the reaping of the job's session")
        other = innocent(pid)
        record = client.ask("wait", jobs=[[number, number]])["job"]
        escaped = int((machine.root / "escaped").read_text())
    return record["signal"] == signal.SIGKILL and lives(other) and tree.stat(escaped) is None


def lives(other: subprocess.Popen[bytes]) -> bool:
    alive = other.poll() is None
    other.kill()
    other.wait()
    return alive


def main(folder: Path, rounds: int) -> None:
    machine = Machine(folder)
    machine.start(1)
    cases: list[Callable[[Machine], bool]] = [*[while_nobody_looks] * rounds, while_what_it_left_is_ended]
    spared = [case(machine) for case in cases]
    machine.stop()
    print(f"innocent processes with a job's pid: {len(spared)}, spared: {sum(spared)}")


main(Path(sys.argv[1]), int(sys.argv[2]))
