"""Never more than max-jobs-running at once, no slot lost, every exit code right: shown by the jobs themselves."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import termios
import threading
from pathlib import Path

from tests.live.machine import Client, Machine, running, until

JOBS = 500 * int(os.environ.get("SJS_TEST_ROUNDS", "1"))

# Takes its slot's lock (mkdir is atomic), holds it 5 to 50 ms, gives it back. A clash leaves a trace.
JOB = (
    "mkdir locks/$SJS_SLOT || echo $SJS_JOB_ID >> clashes; sleep 0.0{pause:02}; rmdir locks/$SJS_SLOT; "
    "exit $((SJS_JOB_ID % 251))"
)


def exits(client: Client, count: int) -> list[int]:
    pages = [client.ask("list", jobs=[[low, low + 999]])["jobs"] for low in range(0, count, 1000)]
    return [one["exit"] for page in pages for one in page]


def test_many_jobs_through_four_slots(tmp_path: Path) -> None:
    with running(tmp_path, 4) as machine, machine.client() as client:
        (tmp_path / "locks").mkdir()
        for low in range(0, JOBS, 500):
            client.submit(*(JOB.format(pause=5 + (number * 7919) % 46) for number in range(low, low + 500)))
        client.ask("wait")
        report = client.ask("report")
        assert exits(client, JOBS) == [number % 251 for number in range(JOBS)]
    assert not (tmp_path / "clashes").exists()
    assert (report["running"], report["queued"], report["max"]) == (0, 0, 4)
    assert list((tmp_path / "locks").iterdir()) == []


def test_five_hundred_ends_behind_one_signal(tmp_path: Path) -> None:
    """While the keeper is stopped all of them end, and the kernel keeps one SIGCHLD for it. No exit code is lost."""
    with running(tmp_path, 500) as machine, machine.client() as client:
        os.mkfifo(tmp_path / "gate")
        client.submit(*["echo > up.$SJS_JOB_ID; read line < gate; exit $((SJS_JOB_ID % 251))"] * 500)
        gate = os.open(tmp_path / "gate", os.O_RDWR)
        until(lambda: len(list(tmp_path.glob("up.*"))) == 500, "500 running jobs")
        os.kill(machine.keeper_pid, signal.SIGSTOP)
        try:
            os.write(gate, b"go\n" * 500)
            until(lambda: zombies(machine.keeper_pid) >= 500, "500 ended jobs")
        finally:
            os.kill(machine.keeper_pid, signal.SIGCONT)
            os.close(gate)
        client.ask("wait")
        assert exits(client, 500) == [number % 251 for number in range(500)]
        assert client.ask("report")["running"] == 0


def zombies(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return sum(1 for pid in children if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")


def test_the_maximum_changes_live(machine: Machine) -> None:
    """0 pauses, raising starts at once, lowering ends nobody; and a restart keeps it."""
    with machine.client() as client:
        reply = client.ask("configure", max_jobs=0)
        assert (reply["old"], reply["new"]) == (2, 0)
        os.mkfifo(machine.root / "gate")
        client.submit(*["read line < gate"] * 5)
        assert client.ask("report")["running"] == 0
        client.ask("configure", max_jobs=3)
        assert client.ask("report")["running"] == 3
        client.ask("configure", max_jobs=1)
        report = client.ask("report")
        assert (report["running"], report["queued"]) == (3, 2)
    machine.kill_manager()
    with machine.client() as client:
        report = client.ask("report")
        assert (report["running"], report["queued"], report["max"]) == (3, 2, 1)
        opener = threading.Thread(target=feed, args=(machine.root / "gate", 5))
        opener.start()
        assert client.ask("wait")["counts"] == {"succeeded": 5}
        opener.join()


def feed(gate: Path, lines: int) -> None:
    """One line for each reader; a FIFO's line may be read by the one that was not meant, so one at a time."""
    fd = os.open(gate, os.O_RDWR)
    os.write(fd, b"go\n" * lines)
    until(lambda: is_drained(fd), "readers of the gate")
    os.close(fd)


def is_drained(fd: int) -> bool:
    left = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, left)
    return left[0] == 0
