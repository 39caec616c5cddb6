"""kill -9 of the manager, at random moments and at each of its steps: every job ends once, and its end is known."""

from __future__ import annotations

import collections
import os
import random
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import TELLS_ALL
from tests.live import strace
from tests.live.machine import DEADLINE, Client, Machine, running, until, wait_for_end

SLOTS = 4
BATCH = 5
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "2"))
"""Kills in each bin."""

JOB = "echo $SJS_JOB_ID.$SJS_ATTEMPT >> runs/$SJS_JOB_ID; sleep 0.0{pause:02}; exit $((SJS_JOB_ID % 7))"


class Load(threading.Thread):
    """Submits batch after batch, each under a key, and asks again by key whenever the link breaks."""

    def __init__(self, machine: Machine, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._machine = machine
        self._rng = rng
        self._enough = threading.Event()
        self._unsure = False
        self.acknowledged: list[int] = []
        self.repeated = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while self._unsure or not self._enough.is_set():
                self._session()
        except Exception as error:  # noqa: BLE001 - told to the test, which fails by it
            self.failure = error
            self._machine.kill_all()

    def stop(self) -> None:
        self._enough.set()
        self.join(DEADLINE)
        self.check()

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _session(self) -> None:
        try:
            with self._machine.client() as client:
                while client.refused is None and (self._unsure or not self._enough.is_set()):
                    self._submit(client)
        except (EOFError, BrokenPipeError):
            return  # the manager was killed; the next session asks again

    def _submit(self, client: Client) -> None:
        number = len(self.acknowledged)
        jobs = [JOB.format(pause=(number + more) % 30) for more in range(BATCH)]
        self._unsure = True  # until there is an answer, nobody knows; it is asked for again by key
        reply = client.submit(*jobs, key=f"load/{number}")
        self._unsure = False
        self.acknowledged += range(reply["first"], reply["first"] + reply["count"])
        self.repeated += reply["repeated"]
        if self._rng.random() < 0.2:
            time.sleep(0.02)  # let the queue run dry now and then, so that a kill also meets an idle manager


def kill_soon(machine: Machine, rng: random.Random) -> None:
    time.sleep(rng.random() * 0.05)
    machine.kill_manager()


def is_up_again(machine: Machine, old: int) -> bool:
    try:
        return machine.manager_pid != old and machine.door.exists()
    except (IndexError, ValueError):
        return False


def check(machine: Machine, load: Load) -> None:
    """Each acknowledged job ran once, and its end is what it was."""
    ids = load.acknowledged
    assert ids == sorted(set(ids)), "an id was given twice"
    with machine.client() as client:
        counts = client.ask("wait", jobs=None)["counts"]
        records = records_of(client)
        report = client.ask("report")
    assert set(counts) <= {"succeeded", "failed"}, counts
    assert [one["id"] for one in records] == ids, "the queue holds other jobs than were acknowledged"
    assert [one["exit"] for one in records] == [number % 7 for number in ids]
    runs = {number: (machine.root / "runs" / str(number)).read_text().split() for number in ids}
    assert runs == {number: [f"{number}.1"] for number in ids}
    assert (report["running"], report["queued"]) == (0, 0)


def records_of(client: Client) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    after = -1
    while True:
        page = client.ask("list", after=after)
        records += page["jobs"]
        if page["next"] is None:
            return records
        after = page["next"]


@pytest.fixture
def loaded(tmp_path: Path) -> Any:
    with running(tmp_path / "machine", SLOTS) as machine:
        (machine.root / "runs").mkdir()
        load = Load(machine, random.Random(SEED))
        load.start()
        yield machine, load


def kill_and_come_back(machine: Machine, load: Load, kill: Any) -> None:
    old = machine.manager_pid
    kill()
    load.check()
    until(lambda: is_up_again(machine, old), "a new manager")


@strace.needed
def test_killed_at_every_step(loaded: tuple[Machine, Load], capsys: pytest.CaptureFixture[str]) -> None:
    machine, load = loaded
    rng = random.Random(SEED)
    bins: collections.Counter[str] = collections.Counter()
    for step, call in sorted(strace.MANAGER_STEPS.items()) * ROUNDS:
        when = rng.randint(1, 5)
        kill_and_come_back(machine, load, lambda call=call, when=when: strace.kill_at(machine.manager_pid, call, when))
        bins[step] += 1
    load.stop()
    check(machine, load)
    integrity(machine)
    with capsys.disabled():
        print(f"\nkills {dict(bins)}, jobs {len(load.acknowledged)}, repeated {load.repeated}, seed {SEED}")


def test_killed_at_random(loaded: tuple[Machine, Load], capsys: pytest.CaptureFixture[str]) -> None:
    machine, load = loaded
    rng = random.Random(SEED)
    for _ in range(2 * ROUNDS):
        kill_and_come_back(machine, load, lambda: kill_soon(machine, rng))
    load.stop()
    check(machine, load)
    integrity(machine)
    with capsys.disabled():
        print(f"\nkills {2 * ROUNDS}, jobs {len(load.acknowledged)}, repeated {load.repeated}, seed {SEED}")


def integrity(machine: Machine) -> None:
    machine.stop()
    database = sqlite3.connect(machine.state / "jobs.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def test_death_of_the_keeper(machine: Machine) -> None:
    """The manager takes its place, the queue goes on, and what ran then ran once, and is never taken for what it was
    not: it is lost where the kernel does not tell others than a parent how it ended."""
    wait_for_go = "while [ ! -e go ]; do sleep 0.05; done"
    with machine.client() as client:
        client.submit(f"echo $SJS_ATTEMPT >> ran; {wait_for_go}; exit 7", wait_for_go, "echo after > after")
        until(lambda: client.ask("report")["counts"]["running"] == 2, "two running jobs")
        keeper = machine.keeper_pid
        os.kill(keeper, signal.SIGKILL)
    wait_for_end(keeper)
    machine.wait_for_another_keeper(keeper)
    with machine.client() as client:
        (machine.root / "go").touch()
        client.ask("wait", jobs=None)
        records = client.ask("list")["jobs"]
    told = [(one["state"], one["reason"], one["exit"], one["detail"]) for one in records]
    if TELLS_ALL or told[0][0] != "lost":
        assert told[0] == ("failed", "exit", 7, "its keeper died meanwhile")
    if TELLS_ALL or told[1][0] != "lost":
        assert told[1] == ("succeeded", "exit", 0, "its keeper died meanwhile")
    assert told[2] == ("succeeded", "exit", 0, None)
    assert (machine.root / "ran").read_text() == "1\n"


def test_death_of_the_keeper_and_of_a_job_at_once(machine: Machine) -> None:
    """The next keeper finds that it has ended before anything else is said."""
    with machine.client() as client:
        client.submit("echo $$ > pid; exec sleep 600")
        until(lambda: (machine.root / "pid").exists() and (machine.root / "pid").read_text() != "", "the job")
        pid, keeper = int((machine.root / "pid").read_text()), machine.keeper_pid
        os.kill(machine.manager_pid, signal.SIGSTOP)
        os.kill(keeper, signal.SIGKILL)
        wait_for_end(keeper)
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
        os.kill(machine.manager_pid, signal.SIGCONT)
    machine.wait_for_another_keeper(keeper)
    with machine.client() as client:
        record = client.ask("wait", jobs=[[0, 0]])["job"]
        assert client.run("echo goes on")[0]["state"] == "succeeded"
    assert (record["state"], record["signal"]) in {("lost", None), ("failed", 9)}
