"""A full disk: refusals that say so, ends that are written down all the same, and work that goes on by itself."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.live.disks import MB, ext4, fill, needs_root, tmpfs
from tests.live.machine import Client, Machine, running, until
from tests.live.test_kill import integrity, records_of

SECONDS = float(os.environ.get("SJS_TEST_FULL_SECONDS", "3"))
"""For how long the disk stays full under load."""

POINTS = 20
JOBS = 100
SMALL: dict[str, tuple[Callable[[Path, int], AbstractContextManager[Path]], int]] = {
    "tmpfs": (tmpfs, 2 * MB),
    "ext4": (ext4, 16 * MB),
}

pytestmark = needs_root


@pytest.fixture(params=sorted(SMALL))
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A manager on a small disk of its own, whose jobs write their runs elsewhere."""
    (tmp_path / "runs").mkdir()
    make, size = SMALL[request.param]
    with make(tmp_path / "disk", size) as disk, running(disk / "machine", 2) as machine:
        yield machine


def job(machine: Machine) -> str:
    runs = machine.root.parent.parent / "runs"
    return f"echo $SJS_JOB_ID.$SJS_ATTEMPT >> {runs}/$SJS_JOB_ID; exit $((SJS_JOB_ID % 7))"


def check(machine: Machine, ids: list[int], lost: Container[int] = ()) -> None:
    """Each acknowledged job ran once and its exit code is known, but of the lost ones; there are no others."""
    with machine.client() as client:
        client.ask("wait", jobs=None)
        records = records_of(client)
    assert [(one["id"], one["exit"]) for one in records] == [(n, None if n in lost else n % 7) for n in ids]
    runs = machine.root.parent.parent / "runs"
    assert {path.name: path.read_text().split() for path in runs.iterdir()} == {str(n): [f"{n}.1"] for n in ids}
    integrity(machine)


def submit(client: Client, machine: Machine, number: int) -> dict[str, Any]:
    return client.submit(job(machine), key=f"full/{number}")


def test_filled_at_many_points(small: Machine) -> None:
    filler = small.root.parent / "filler"
    manager, ids, refused = small.manager_pid, [], 0
    with small.client() as client:
        for number in range(JOBS):
            if number % (JOBS // POINTS) == 0:
                fill(filler)
                refused += submit(client, small, number)["error"]["code"] == "no_space"
                assert "free" in client.ask("report")["trouble"]
                filler.unlink()
            ids.append(submit(client, small, number)["first"])
        assert client.ask("report")["trouble"] == ""
    assert refused == POINTS
    assert small.manager_pid == manager, "a full disk is no reason to end"
    check(small, ids)


def test_work_goes_on_by_itself(small: Machine) -> None:
    filler, gate = small.root.parent / "filler", small.root.parent.parent / "gate"
    os.mkfifo(gate)
    with small.client() as client, open(gate, "r+b", buffering=0) as words:
        first = client.submit(*[f"head -c 1 {gate}; {job(small)}"] * 6)["first"]
        fill(filler)
        words.write(b"." * 6)
        client.ask("wait", jobs=[[first, first + 1]])
        report = client.ask("report")
        assert (report["running"], report["queued"]) == (0, 4), "ends are written down, nothing starts"
        filler.unlink()
        assert client.ask("wait", jobs=None, timeout=60)["done"]
    assert "work goes on" in small.log()
    check(small, list(range(6)))


class Writer(threading.Thread):
    """A program that takes whatever becomes free."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.enough = threading.Event()

    def run(self) -> None:
        with open(self.path, "wb", buffering=0) as target:
            while not self.enough.is_set():
                with contextlib.suppress(OSError):
                    target.write(bytes(4096))
        self.path.unlink()


def test_full_under_load(small: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    acknowledged: list[int] = []
    codes: Counter[str] = Counter()
    writer = Writer(small.root.parent / "filler")

    def load(client: Client, enough: Callable[[], bool]) -> None:
        while not enough():
            reply = submit(client, small, len(acknowledged))
            if "error" in reply:
                codes[reply["error"]["code"]] += 1
            else:
                acknowledged.append(reply["first"])

    with small.client() as client:
        load(client, lambda: len(acknowledged) >= 20)
        writer.start()
        end = time.monotonic() + SECONDS
        load(client, lambda: time.monotonic() > end)
        writer.enough.set()
        writer.join()
        more = len(acknowledged) + 20
        load(client, lambda: len(acknowledged) >= more)
    assert set(codes) == {"no_space"}
    check(small, acknowledged)
    with capsys.disabled():
        print(f"\nfull for {SECONDS:g} s: {len(acknowledged)} jobs taken, each ran once; {codes['no_space']} refused")


def test_a_manager_starts_on_a_full_disk_and_says_what_is_wrong(small: Machine) -> None:
    filler = small.root.parent / "filler"
    small.stop()
    fill(filler)
    small.start()
    with small.client() as client:
        error = client.submit(job(small))["error"]
        assert (error["code"], error["hint"]) == ("no_space", "free some there")
        filler.unlink()
        until(lambda: "first" in client.submit(job(small)), "room for a job")
    check(small, [0])
