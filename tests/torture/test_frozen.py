"""A whole host stands still, each process of it, while jobs are handed in to `any`: none runs twice when it goes on."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.live.machine import DEADLINE, SUBMIT, until
from tests.rig.lab import Host, Lab, rig
from tests.torture import effort

ROUNDS = 20 if effort.LONG else 2
LINES = 60


def test_no_job_runs_twice_when_a_host_stands_still(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(effort.SEED)
    with rig(3) as lab:
        lab.manage(2, 2, 2)
        lab.config()
        lab.submit("all", "status")  # the first command may have to put the program there
        still = lab.hosts[1]
        for number in range(ROUNDS):
            write(lab, number)
            if number % 3:
                stands_still_meanwhile(lab, still, rng)
            else:
                stands_still_before(lab, still)
        assert lab.submit("all", "status").returncode == 0
        assert lab.submit("all", "wait").returncode == 0
        files = [host.root / "ran" for host in lab.hosts]
        ran = Counter(word for file in files if file.exists() for word in file.read_text().split())
    with capsys.disabled():
        print(f"\n{ROUNDS} commands, {sum(ran.values())} jobs, seed {effort.SEED}")
    assert ran == Counter(f"{number}.{line}" for number in range(ROUNDS) for line in range(LINES))


def write(lab: Lab, number: int) -> None:
    lines = (f"echo {number}.{line} >> ran\n" for line in range(LINES))
    (lab.home / "commands").write_text("".join(lines))


def stands_still_before(lab: Lab, still: Host) -> None:
    """It cannot be chosen, and the others take everything."""
    with frozen(lab, still):
        done = lab.submit("any", "job", "--command-file", "commands", "-p")
        assert done.returncode == 0, done.stderr
        took = {line.partition(":")[0] for line in done.stdout.split()}
        assert took <= {"manager-1", "manager-3"}, "of those that live, one may be late"


def stands_still_meanwhile(lab: Lab, still: Host, rng: random.Random) -> None:
    """It was asked, or has been chosen; it goes on before its client has given it up."""
    before = still.sessions
    command = lab.command(*SUBMIT, "any", "job", "--command-file", "commands", "-p")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: still.sessions > before, "a session on the host that is to stand still")
        time.sleep(rng.random() * 0.2)  # any moment of the exchange
        with frozen(lab, still):
            time.sleep(1)
        out, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, len(out.split())) == (0, LINES), errors


@contextlib.contextmanager
def frozen(lab: Lab, host: Host) -> Iterator[None]:
    """Every process of the host is stopped."""
    pids: set[str] = set()
    while more := set(lab.call("ip", "netns", "pids", host.name).stdout.split()) - pids:
        lab.call("kill", "-STOP", *more, check=False)  # some have ended since, or left a child behind for the next look
        pids |= more
    try:
        yield
    finally:
        lab.call("kill", "-CONT", *pids, check=False)
