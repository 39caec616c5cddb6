"""Many writers at the door, half of what they write damaged: every good record is answered."""

from __future__ import annotations

import json
import os
import random
import select
from multiprocessing import get_context
from pathlib import Path

from tests.live.machine import DEADLINE, Machine, until

WRITERS = 64
RECORDS = 20
SEED = 20261121


def damaged(rng: random.Random, good: bytes) -> bytes:
    """Something that is no record: never more than a pipe takes whole, so that it harms only itself."""
    return rng.choice(
        [
            good[: rng.randrange(1, len(good) - 2)],  # its writer died in the middle of the line
            bytes(rng.randrange(256) for _ in range(rng.randrange(1, 500))),
            b'{"type": ' + b"[" * 2000 + b"\n",
            b'{"type": "job", "run": 12}\n',
            b'{"type": {}, "port": ["x"]}\n',
            b"\0" * 100 + b"\n",
            b'{"type": "configure", "max_jobs": ' + b"9" * 3000 + b"}\n",
            b"[]\nnull\n42\n",
        ]
    )


def writer(root: str, number: int) -> None:
    """Write good and damaged records in turn; exit 0 when each good one was answered."""
    rng = random.Random(SEED + number)
    os.chdir(root)
    port = f"w{number}.port"
    os.mkfifo(port, 0o600)
    reading = os.open(port, os.O_RDWR | os.O_NONBLOCK)
    door = os.open("jobs.pipe", os.O_WRONLY)
    for _ in range(RECORDS):
        good = b'\n{"type": "status", "git": false, "make": false, "port": "' + port.encode() + b'"}\n'
        os.write(door, damaged(rng, good))
        os.write(door, good)
        assert select.select([reading], [], [], DEADLINE)[0], f"writer {number} got no reply"
        assert json.loads(os.read(reading, 65536))["status"] == "OK"


def test_every_good_record_is_answered(machine: Machine) -> None:
    context = get_context("fork")
    writers = [context.Process(target=writer, args=(str(machine.root), number)) for number in range(WRITERS)]
    before = memory_kb(machine.manager_pid)
    for one in writers:
        one.start()
    for one in writers:
        one.join(2 * DEADLINE)
    assert [one.exitcode for one in writers] == [0] * WRITERS
    with machine.client() as client:
        report = client.ask("report")
    assert (report["queued"], report["running"], report["max"]) == (0, 0, 2)
    assert memory_kb(machine.manager_pid) - before < 20_000


def memory_kb(pid: int) -> int:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1])


def test_a_removed_door_is_made_again(machine: Machine) -> None:
    for round_ in range(9):
        stranger = machine.root / "stranger"
        if round_ % 3 == 0:
            machine.door.unlink()
        elif round_ % 3 == 1:
            stranger.write_text("somebody's file\n")
            stranger.rename(machine.door)
        else:
            stranger.symlink_to("/etc/passwd")
            stranger.rename(machine.door)
        until(lambda: machine.door.is_fifo() and not machine.door.is_symlink(), "the pipe")
        with machine.client() as client:
            assert client.ask("report")["max"] == 2
    kept = sorted(path.name for path in machine.root.glob("jobs.pipe.aside-*"))
    assert len(kept) == 6, kept


def test_a_line_without_end_harms_nobody(machine: Machine) -> None:
    door = os.open(machine.door, os.O_WRONLY | os.O_NONBLOCK)
    for _ in range(40):
        with_room = select.select([], [door], [], DEADLINE)[1]
        assert with_room
        os.write(door, b"x" * 60_000)
    with machine.client() as client:
        assert client.ask("report")["max"] == 2
    os.close(door)
