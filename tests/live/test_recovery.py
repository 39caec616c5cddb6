"""A database that was damaged, or is gone: its copy takes its place, the bad one is kept, nothing runs twice."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine import Machine, running, until, wait_for_end

SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
PAGE = 4096
RUN = "echo $SJS_JOB_ID.$SJS_ATTEMPT >> ran"


def write_at(path: Path, offset: int, data: bytes) -> None:
    with open(path, "r+b") as target:
        target.seek(offset)
        target.write(data)


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(SEED).randbytes(3 * PAGE))


def no_header(path: Path) -> None:
    write_at(path, 0, bytes(100))


def zero_pages(path: Path) -> None:
    write_at(path, PAGE, bytes(path.stat().st_size - PAGE))


def flipped_bytes(path: Path) -> None:
    """In each page, where the b-tree says how it is laid out."""
    for start in range(PAGE, path.stat().st_size, PAGE):
        write_at(path, start, random.Random(SEED + start).randbytes(16))


def truncated(path: Path) -> None:
    os.truncate(path, PAGE + 100)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def missing(path: Path) -> None:
    path.unlink()


DAMAGES = [garbage, no_header, zero_pages, flipped_bytes, truncated, emptied, missing]


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Machine]:
    """A queue with six ended jobs and three that wait, stopped in good order."""
    with running(tmp_path / "machine", 2) as machine:
        with machine.client() as client:
            client.run(*[f"{RUN}; exit {number}" for number in range(6)])
            client.ask("configure", max_jobs=0)
            client.submit(*[RUN] * 3)
        end(machine)
        yield machine


def end(machine: Machine) -> None:
    keeper = machine.keeper_pid
    with machine.client() as client:
        client.ask("stop")
    wait_for_end(keeper)


def start(machine: Machine) -> list[dict[str, Any]]:
    """Start it again, let run what waits, and give all records."""
    machine.start(2)
    with machine.client() as client:
        client.ask("wait", jobs=None)
        return list(client.ask("list")["jobs"])


def runs(machine: Machine) -> list[str]:
    return sorted((machine.root / "ran").read_text().split())


def bad_ones(machine: Machine) -> list[str]:
    return [path.name for path in machine.state.iterdir() if path.name.startswith("jobs.db.bad-")]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: str(damage.__name__))
def test_the_copy_takes_the_place_of_a_damaged_database(stopped: Machine, damage: Callable[[Path], None]) -> None:
    damage(stopped.state / "jobs.db")
    records = start(stopped)
    assert [(one["id"], one["exit"]) for one in records] == [*((n, n) for n in range(6)), (6, 0), (7, 0), (8, 0)]
    assert runs(stopped) == [f"{number}.1" for number in range(9)]
    assert len(bad_ones(stopped)) == (damage is not missing)
    assert "the copy of" in stopped.log()
    with stopped.client() as client:
        assert client.submit("true")["first"] == 10_000, "beyond every id that was ever given"
        assert client.submit("true")["first"] == 10_001


@pytest.mark.parametrize("damage", [garbage, missing], ids=lambda damage: str(damage.__name__))
def test_what_started_since_the_copy_never_starts_again(stopped: Machine, damage: Callable[[Path], None]) -> None:
    old = stopped.state.parent / "old"
    shutil.copyfile(stopped.state / "jobs.db.good", old)
    start(stopped)
    with stopped.client() as client:
        key = client.submit("true", key="k")["first"]
        client.ask("wait", jobs=None)
    end(stopped)
    shutil.copyfile(old, stopped.state / "jobs.db.good")
    damage(stopped.state / "jobs.db")
    records = start(stopped)
    assert [one["state"] for one in records[6:]] == ["lost"] * 3
    assert runs(stopped) == [f"{number}.1" for number in range(9)]
    assert f"jobs 9 to {key} are not in it" in stopped.log()


def test_a_job_that_runs_on_is_known_again_and_its_end_too(tmp_path: Path) -> None:
    with running(tmp_path / "machine", 2) as machine:
        with machine.client() as client:
            client.ask("configure", max_jobs=0)
            client.submit("sleep 1; exit 7", "echo up > up; sleep 2; exit 8")
        end(machine)
        old = machine.root / "old"
        shutil.copyfile(machine.state / "jobs.db.good", old)
        machine.start(2)
        until((machine.root / "up").exists, "the job")
        keeper = machine.keeper_pid
        shutil.copyfile(old, machine.state / "jobs.db.good")
        garbage(machine.state / "jobs.db")
        (machine.state / "jobs.db-wal").unlink()
        machine.kill_manager()
        until(lambda: "an older one" in machine.log(), "the copy")
        with machine.client() as client:
            client.ask("wait", jobs=None)
            assert [one["exit"] for one in client.ask("list")["jobs"]] == [7, 8]
        assert machine.keeper_pid == keeper


def test_a_log_that_lost_its_end_gives_no_id_twice(tmp_path: Path) -> None:
    with running(tmp_path / "machine", 0) as machine:
        with machine.client() as client:
            client.submit("true")
            client.submit("true", "true")
        until((machine.state / "jobs.db.good").exists, "the copy that a new queue begins with")
        machine.kill_both()
        wal = machine.state / "jobs.db-wal"
        with sqlite3.connect(f"file:{machine.state}/jobs.db?mode=ro", uri=True) as database:
            assert database.execute("SELECT count(*) FROM jobs").fetchone() == (3,)
        database.close()
        until(lambda: not is_taken(machine), "the end of both")
        data = wal.read_bytes()
        write_at(wal, 32 + (PAGE + 24) * 3, bytes(len(data) // 2))
        machine.start(0)
        with machine.client() as client:
            assert client.submit("true")["first"] >= 3


def is_taken(machine: Machine) -> bool:
    return any(Path(f"/proc/{pid}").exists() for pid in (machine.keeper_pid, machine.manager_pid))


def test_without_a_copy_nothing_is_emptied(stopped: Machine) -> None:
    (stopped.state / "jobs.db.good").unlink()
    garbage(stopped.state / "jobs.db")
    before = (stopped.state / "jobs.db").read_bytes()
    command = [*stopped.program, "job_manager", "--background", "--root", str(stopped.root)]
    refused = subprocess.run(command, text=True, capture_output=True, timeout=60)
    assert refused.returncode != 0
    (line,) = refused.stderr.splitlines()
    assert "there is no copy of it (put one there, or move" in line
    assert (stopped.state / "jobs.db").read_bytes() == before
    with stopped.client() as client:
        assert "cannot be read" in client.refused["message"]
