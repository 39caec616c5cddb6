"""Jobs that print much while many watch: not a byte is lost, and the manager has nothing to do with it.

SJS_TEST_FOLLOW_SECONDS=60     the long form, in which the manager is given work meanwhile, and its turns are measured
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, Machine, running
from tests.live.test_idle import trace

SECONDS = int(os.environ.get("SJS_TEST_FOLLOW_SECONDS", "0"))
JOBS = 4
FOLLOWERS = 10
LITTLE = 4_000
"""Bytes, and calls, that the manager may spend on what has nothing to do with outputs."""

SLOWEST = 0.020
"""Seconds that a turn may take, but for one of a hundred."""

# A megabyte a second, of which no two lines are alike.
WRITER = """
import sys, time
job, seconds = int(sys.argv[1]), int(sys.argv[2])
def wait(name):
    import os
    while not os.path.exists(name):
        time.sleep(0.02)
def lines(step):
    return b"".join(b"%d %08d %s\\n" % (job, step * 100 + line, b"x" * 88) for line in range(100))
out = sys.stdout.buffer
out.write(b"ready\\n")
out.flush()
wait("go")
start = time.monotonic()
for step in range(seconds * 100):
    out.write(lines(step))
    out.flush()
    time.sleep(max(0.0, start + step / 100 - time.monotonic()))
wait("stop")
"""


def written(job: int, seconds: int) -> bytes:
    """All that a job prints."""
    lines = (b"%d %08d %s\n" % (job, line, b"x" * 88) for line in range(seconds * 100 * 100))
    return b"ready\n" + b"".join(lines)


class Follower:
    """Somebody who watches a job to its end."""

    def __init__(self, machine: Machine, job: int, size: int) -> None:
        self.job = job
        self.size = size
        self.digest = hashlib.sha256()
        self.count = 0
        self.is_attached, self.has_all = threading.Event(), threading.Event()
        self._machine = machine

    def watch(self) -> None:
        with self._machine.client() as client:
            number = client.send("read", job=self.job, stream="out", follow=True)
            while "end" not in (message := client.reply(number)):
                assert message["offset"] == self.count
                self.digest.update(message["data"])
                self.count += message["bytes"]
                self.is_attached.set()
                if self.count >= self.size:
                    self.has_all.set()


def costs(pid: int) -> dict[str, int]:
    """What a process has read and written, and by how many calls."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return {
        name: int(value) for name, value in (line.split(": ") for line in lines) if name[:4] not in ("read", "writ")
    }


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Machine]:
    """A manager with four jobs that wait for a sign to write."""
    (tmp_path / "writer.py").write_text(WRITER)
    with running(tmp_path / "machine", JOBS + 1) as machine, machine.client() as client:
        program = [sys.executable, "-I", "-S", str(tmp_path / "writer.py")]
        client.ask("submit", jobs=[{"argv": [*program, str(job), str(SECONDS or 2)]} for job in range(JOBS)])
        yield machine


def test_no_byte_is_lost_and_the_manager_is_not_troubled(writers: Machine, tmp_path: Path) -> None:
    outputs = [written(job, SECONDS or 2) for job in range(JOBS)]
    followers = [Follower(writers, number % JOBS, len(outputs[number % JOBS])) for number in range(FOLLOWERS)]
    with ThreadPoolExecutor(FOLLOWERS) as pool, ExitStack() as stack:
        stack.callback((writers.root / "stop").touch)
        watching = [pool.submit(one.watch) for one in followers]
        for one in followers:
            assert one.is_attached.wait(DEADLINE), "nothing came of what there was"
        before = costs(writers.manager_pid)
        (writers.root / "go").touch()
        turns = sorted(measured(writers, tmp_path)) if SECONDS else []
        for one in followers:
            assert one.has_all.wait(SECONDS + DEADLINE), f"{one.count} of {one.size} bytes came"
        spent = {name: value - before[name] for name, value in costs(writers.manager_pid).items()}
        (writers.root / "stop").touch()
        for done in watching:
            done.result(DEADLINE)
    for one in followers:
        assert one.digest.digest() == hashlib.sha256(outputs[one.job]).digest()
    read = sum(one.count for one in followers)
    print(f"\n{JOBS} jobs wrote {sum(map(len, outputs))} bytes, {FOLLOWERS} followers read {read}; manager: {spent}")
    if turns:
        judge(turns)
    else:
        assert max(spent.values()) < LITTLE, "what they read has gone through the manager, or woken it"


def judge(turns: Sequence[float]) -> None:
    """Were the manager's turns short enough?"""
    median, late, longest = (turns[int(part * (len(turns) - 1))] for part in (0.5, 0.99, 1))
    print(f"{len(turns)} turns: median {median * 1e3:.2f} ms, p99 {late * 1e3:.2f}, longest {longest * 1e3:.2f}")
    assert late < SLOWEST


def measured(machine: Machine, tmp_path: Path) -> list[float]:
    """Give the manager work while they write; how long each of its turns was, in seconds, as strace sees it."""
    process, path = trace(machine.manager_pid, tmp_path / "calls", "-e", "trace=epoll_wait", "-ttt", "-T")
    end = time.monotonic() + SECONDS
    with machine.client() as client:
        while time.monotonic() < end:
            client.run("true")
    process.terminate()
    process.communicate(timeout=DEADLINE)
    calls = re.findall(r"^\d+ +([\d.]+) epoll_wait\(.*<([\d.]+)>$", path.read_text(), re.MULTILINE)
    times = [(float(begun), float(begun) + float(took)) for begun, took in calls]
    return [begun - woken for (_, woken), (begun, _) in pairwise(times)]
