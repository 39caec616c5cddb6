"""Job after job through one queue, its manager killed now and then: what it holds of memory, descriptors and disk
while it works does not grow."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live.machine import Client, Machine, running
from tests.torture import effort

SAMPLES, JOBS = (24, 2_000) if effort.LONG else (8, 250)
"""How often it is looked at, at least, and after how many jobs each time."""

KILL_EVERY = 4
MEMORY = 4 << 10
"""KiB that a process may have more at the end than when it was warm."""

WAL = 16 << 20


class Sample(NamedTuple):
    """What is held at one moment, when nothing runs."""

    keeper_kb: int
    manager_kb: int
    keeper_fds: int
    manager_fds: int
    wal: int
    journals: int


def test_nothing_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples: list[Sample] = []
    end = effort.end()
    with running(tmp_path / "m", 4) as machine:
        while len(samples) < SAMPLES or time.monotonic() < end:
            with machine.client() as client:
                work(client)
                samples.append(look(machine))
            if len(samples) % KILL_EVERY == 0:
                machine.kill_manager()
    with capsys.disabled():
        print(f"\n{len(samples)} samples, {len(samples) * JOBS} jobs: first {samples[0]}, last {samples[-1]}")
    warm = samples[len(samples) // 4 :]
    assert max(one.keeper_kb for one in warm) - warm[0].keeper_kb < MEMORY
    assert max(one.manager_kb for one in warm) - warm[0].manager_kb < MEMORY
    assert len({(one.keeper_fds, one.manager_fds) for one in samples}) == 1
    assert max(one.wal for one in samples) < WAL
    assert max(one.journals for one in samples) <= 2


def work(client: Client) -> None:
    for low in range(0, JOBS, 1000):
        client.submit(*["true"] * min(1000, JOBS - low))
    client.ask("wait", jobs=None)


def look(machine: Machine) -> Sample:
    keeper, manager = machine.keeper_pid, machine.manager_pid
    return Sample(
        memory(keeper),
        memory(manager),
        len(os.listdir(f"/proc/{keeper}/fd")),
        len(os.listdir(f"/proc/{manager}/fd")),
        (machine.state / "jobs.db-wal").stat().st_size,
        len(list(machine.state.glob("journal.*"))),
    )


def memory(pid: int) -> int:
    """KiB that are in use of its own."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))
