"""Whatever comes through the door, and whatever is done to it: every good record is answered, and memory stays flat.

SJS_TEST_ROUNDS=100 is the long form: 100,000 malformed records, 10,000 writers, 50 and more removals of the door.
"""

from __future__ import annotations

import json
import os
import random
import select
from collections.abc import Callable, Iterable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import pytest

from tests.live.machine import DEADLINE, Machine, until

WRITERS = 64
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "4"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
BETWEEN = 16
"""Malformed records between two good ones of a writer."""

FLAT = 20_000
"""Kilobytes by which the manager may have grown."""

T = TypeVar("T")

PORTS = ["../victim", "../../../../../../etc/passwd", "/etc/passwd", "victim", "link", "folder", "jobs.pipe", "theirs"]
PORTS += [".", "..", "a/b", "nobody-reads", "no-such", "x" * 300, "port\n", "\0"]


def malformed(rng: random.Random, good: bytes) -> bytes:
    """Something that changes nothing: never more than a pipe takes whole, so that it harms only itself."""
    return rng.choice(
        [
            good[: rng.randrange(1, len(good) - 2)],  # its writer died in the middle of the line
            bytes(rng.randrange(256) for _ in range(rng.randrange(1, 500))),
            b'{"type": ' + b"[" * 2000 + b"\n",
            b'{"type": ' + b'{"a":' * 700 + b"\n",
            b'{"type": "job", "run": 12}\n',
            b'{"type": {}, "port": ["x"]}\n',
            b"\0" * 100 + b"\n",
            b'{"type": "configure", "max_jobs": ' + b"9" * 3000 + b"}\n",
            b'{"type": "configure", "max_jobs": 1e999}\n',
            b'{"type": "cancel", "job_to_cancel": [[[]]]}\n',
            b'{"session": "../../../etc/passwd"}\n{"session": "00000000-00000000"}\n{"session": {}}\n',
            b"[]\nnull\n42\n",
            b"\n" * rng.randrange(1, 100),
            b'{"type": "status", "port": ' + json.dumps(rng.choice(PORTS)).encode() + b"}\n",
        ]
    )


def status_request(port: str) -> bytes:
    return b'\n{"type": "status", "git": false, "make": false, "port": "' + port.encode() + b'"}\n'


def writer(root: str, number: int) -> None:
    """Write malformed and good records in turn; exit 0 when each good one was answered."""
    rng = random.Random(SEED + number)
    os.chdir(root)
    port = f"w{number}.port"
    os.mkfifo(port, 0o600)
    reading = os.open(port, os.O_RDWR | os.O_NONBLOCK)
    door = os.open("jobs.pipe", os.O_WRONLY)
    good = status_request(port)
    for _ in range(ROUNDS):
        for _ in range(BETWEEN):
            os.write(door, malformed(rng, good.replace(port.encode(), b"nobody")))
        os.write(door, good)
        assert select.select([reading], [], [], DEADLINE)[0], f"writer {number} got no reply"
        assert json.loads(os.read(reading, 65536))["status"] == "OK"


def run_all(work: Callable[[str, T], None], machine: Machine, shares: Iterable[T]) -> list[int | None]:
    """A process for each; their exit statuses."""
    context = get_context("fork")
    processes = [context.Process(target=work, args=(str(machine.root), share)) for share in shares]
    for one in processes:
        one.start()
    for one in processes:
        one.join(ROUNDS * DEADLINE)
    return [one.exitcode for one in processes]


def plant(root: Path) -> None:
    """What a hostile `port` may name."""
    (root.parent / "victim").write_text("precious")
    (root / "victim").write_text("precious")
    (root / "link").symlink_to("victim")
    (root / "folder").mkdir()
    os.mkfifo(root / "nobody-reads", 0o600)
    os.mkfifo(root / "theirs", 0o600)
    if os.geteuid() == 0:
        os.chown(root / "theirs", 65534, 65534)


def test_every_good_record_is_answered(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    plant(machine.root)
    before, manager = memory_kb(machine.manager_pid), machine.manager_pid
    assert run_all(writer, machine, range(WRITERS)) == [0] * WRITERS
    with machine.client() as client:
        report = client.ask("report")
    assert (report["queued"], report["running"], report["max"]) == (0, 0, 2)
    assert not any(report["counts"].values())
    assert machine.manager_pid == manager, "it was killed"
    grown = memory_kb(manager) - before
    assert grown < FLAT
    for victim in (machine.root.parent / "victim", machine.root / "victim"):
        assert victim.read_text() == "precious"
    with capsys.disabled():
        print(f"\nseed {SEED}: {WRITERS * ROUNDS * BETWEEN} malformed, {WRITERS * ROUNDS} good, grown by {grown} kB")


def one_shots(root: str, numbers: Sequence[int]) -> None:
    """Open the door for one record and no more, again and again: every second one is a job, the others are none."""
    for number in numbers:
        one_shot(root, number)


def one_shot(root: str, number: int) -> None:
    job = json.dumps({"type": "job", "run": f"true {number} {'x' * 400}", "git": False, "make": False}).encode()
    data = job if number % 2 else malformed(random.Random(SEED + number), status_request("nobody"))
    door = os.open(os.path.join(root, "jobs.pipe"), os.O_WRONLY)
    os.write(door, b"\n" + data + b"\n")
    os.close(door)


def test_one_shot_writers_are_each_heard_once(machine: Machine) -> None:
    count = 100 * ROUNDS
    with machine.client() as client:
        client.ask("configure", max_jobs=0)
        before = memory_kb(machine.manager_pid)
        assert run_all(one_shots, machine, [range(first, count, WRITERS) for first in range(WRITERS)]) == [0] * WRITERS
        until(lambda: client.ask("report")["queued"] >= count // 2, "the last of the jobs")
        seen = []
        for low in range(0, count // 2, 1000):
            seen += [int(job["command"].split()[1]) for job in client.ask("list", jobs=[[low, low + 999]])["jobs"]]
        assert client.ask("report")["queued"] == count // 2
    assert sorted(seen) == list(range(1, count, 2))
    assert memory_kb(machine.manager_pid) - before < FLAT


def memory_kb(pid: int) -> int:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1])


def test_a_removed_door_is_made_again(machine: Machine) -> None:
    rounds = max(9, ROUNDS)
    for round_ in range(rounds):
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
    assert len(kept) == sum(1 for round_ in range(rounds) if round_ % 3), kept


def test_a_line_without_end_harms_nobody(machine: Machine) -> None:
    door = os.open(machine.door, os.O_WRONLY | os.O_NONBLOCK)
    for _ in range(40):
        with_room = select.select([], [door], [], DEADLINE)[1]
        assert with_room
        os.write(door, b"x" * 60_000)
    with machine.client() as client:
        assert client.ask("report")["max"] == 2
    os.close(door)


def test_a_writer_that_holds_half_a_line_holds_up_nobody(machine: Machine) -> None:
    """Ours and the replaced program's clients, whose records have no line end in front, get their answers."""
    holding = os.open(machine.door, os.O_WRONLY)
    reading = machine.root / "held.port"
    os.mkfifo(reading, 0o600)
    replies = os.open(reading, os.O_RDWR | os.O_NONBLOCK)
    for _ in range(ROUNDS):
        os.write(holding, b'{"type": "job", "run": "' + b"x" * 4000)
        with machine.client() as client:
            assert client.ask("report")["queued"] == 0
        os.write(holding, b'{"type": "job", "run": "' + b"x" * 4000)
        door = os.open(machine.door, os.O_WRONLY)
        os.write(door, status_request("held.port").lstrip())
        os.close(door)
        assert select.select([replies], [], [], DEADLINE)[0], "no reply behind half a line"
        assert json.loads(os.read(replies, 65536))["jobs_running"] == 0
    os.close(holding)
    os.close(replies)
