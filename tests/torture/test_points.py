"""A kill, an EIO and an ENOSPC at every system call of manager and keeper that makes something durable, and of those
who come after them: what was acknowledged runs once, its end is known, and the queue goes on."""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import strace
from tests.live.machine import DEADLINE, Client, until, wait_for_end
from tests.torture import effort
from tests.torture.fleet import Host, state
from tests.torture.rigged import CALLS, FAULTS, Point, Rigged

SHORT = 6
"""Points in the short form."""

JOB = "echo $SJS_ATTEMPT >> ran.{token}; echo {token}; sleep 0.0{pause:02}; exit {exit}"
ENDS = {"a0": 0, "a1": 3, "b0": 7, "b1": 0, "b2": 11, "last": 5}
"""The jobs, and what each ends with."""

LINKS = (EOFError, BrokenPipeError)


@strace.needed
def test_each_step_may_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(effort.SEED)
    hits: Counter[str] = Counter()
    misses = 0
    wrong: list[str] = []
    for number, point in enumerate(_until_missed(hits) if effort.LONG else _sample(rng)):
        hit, found = run(tmp_path / str(number), point)
        hits[_bin(point)] += hit
        misses += not hit
        wrong += [f"{point}: {one}" for one in found]
        if effort.LONG and (found or number % 50 == 0):
            with capsys.disabled():
                print(f"\n{number} points; {point}: {found}", flush=True)
    with capsys.disabled():
        print(f"\npoints hit {sum(hits.values())} {dict(hits)}, not reached {misses}, seed {effort.SEED}")
    assert not wrong, "\n".join([f"seed {effort.SEED}", *wrong])
    assert sum(hits.values()) > misses, "too few points were reached"


def _sample(rng: random.Random) -> Iterator[Point]:
    for _ in range(SHORT):
        who = rng.choice(list(CALLS))
        call = rng.choices(list(CALLS[who]), [min(4, reach) for reach in CALLS[who].values()])[0]
        yield Point(who, rng.random() < 0.5, call, rng.choice(FAULTS), rng.randint(1, CALLS[who][call]))


def _until_missed(hits: Counter[str]) -> Iterator[Point]:
    """Each fault at the first such call, the second, … until a run comes to its end without it."""
    places = [(who, again, call) for who in CALLS for again in (False, True) for call in CALLS[who]]
    for (who, again, call), fault in itertools.product(places, FAULTS):
        for when in itertools.count(1):
            point = Point(who, again, call, fault, when)
            before = hits[_bin(point)]
            yield point
            if hits[_bin(point)] == before:
                break


def _bin(point: Point) -> str:
    return f"{'next ' if point.again else ''}{point.who} {point.fault.partition('=')[2]}"


def run(folder: Path, point: Point) -> tuple[bool, list[str]]:
    """A small piece of work with the point in it: whether it was reached, and what is wrong."""
    machine = Rigged(folder, point)
    client = Patient(machine)
    wrong: list[str] = []
    try:
        wrong += _of_work(machine, client, point)
        client.stop()
        if keeper := Host("", machine.root).pid("keeper"):
            wrong.append(f"it was stopped, and keeper {keeper} goes on; {machine.log()}")
    except Exception as error:  # noqa: BLE001 - what is wrong at one point is told with it, and is no end of the others
        wrong.append(f"{error!r}; {machine.log()}")
    finally:
        client.close()
        machine.kill_all()
    with contextlib.closing(sqlite3.connect(machine.state / "jobs.db")) as database:
        if (answer := database.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
            wrong.append(f"the database is damaged: {answer}")
    return machine.was_hit, wrong


def _of_work(machine: Rigged, client: Patient, point: Point) -> Iterator[str]:
    if not point.again:
        machine.arm()
    began = machine.begin(slots=2)
    if began.returncode and (began.stderr.count("\n") != 1 or "Traceback" in began.stderr):
        yield f"job_manager does not say in one line why it failed: {began.stderr}"
    ids = client.hand_in("a")
    if point.again:
        machine.arm()
        _let_another_follow(Host("", machine.root), point.who)
    ids |= client.hand_in("b")
    yield from _of_cancel(client)
    if client.hand_in("a").items() - ids.items():
        yield "the same key brought other ids"
    ids |= client.hand_in("last")
    yield from _of_ends(machine, client, point, ids)


def _let_another_follow(host: Host, who: str) -> None:
    """Kill it. A keeper's place is taken by its manager, and not by a client, who is quicker than one behind strace."""
    heir = host.pid("manager")
    host.kill(who)
    if who == "keeper":
        until(lambda: host.pid("keeper") == heir or state(heir) in ("Z", "X"), "the heir of the keeper")


class Patient:
    """A client that asks again, by key where it hands in, until there is an answer and it is a good one."""

    def __init__(self, machine: Rigged) -> None:
        self._machine = machine
        self._client: Client | None = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def hand_in(self, name: str) -> dict[str, int]:
        """The ids of the jobs whose names begin so."""
        tokens = [token for token in ENDS if token.startswith(name)]
        jobs = [JOB.format(token=one, pause=5 + 7 * n, exit=ENDS[one]) for n, one in enumerate(tokens)]
        first = self.ask("submit", key=name, jobs=[{"command": job} for job in jobs])["first"]
        return {token: first + n for n, token in enumerate(tokens)}

    def stop(self) -> None:
        """Stop the queue and end what runs; somebody may fail over that, too."""
        self.ask("stop", refusal="stopped", kill=True)
        self.close()
        wait_for_end(self._machine.keeper_pid)

    def ask(self, op: str, refusal: str = "", **fields: Any) -> dict[str, Any]:
        """The answer. A refusal with this code is one, too."""
        end = time.monotonic() + DEADLINE
        said: Any = None
        while time.monotonic() < end:
            try:
                self._client = self._client or self._machine.client("start=")
                said = self._client.refused or self._client.ask(op, **fields)
            except LINKS as error:
                said = {"error": repr(error)}
            if "error" not in said and said.get("code", refusal) == refusal:
                return dict(said)
            self.close()
            time.sleep(0.02)  # nothing tells when there is somebody again
        raise AssertionError(f"no good answer to {op}: {said}; {self._machine.log()}")


def _of_cancel(client: Patient) -> Iterator[str]:
    job = client.ask("submit", key="endless", jobs=[{"command": "sleep 600"}])["first"]
    client.ask("cancel", jobs=[[job, job]], grace=1)
    record = client.ask("wait", jobs=[[job, job]])["job"]
    if record["state"] not in ("cancelled", "lost"):
        yield f"a cancelled job is {record}"


def _of_ends(machine: Rigged, client: Patient, point: Point, ids: dict[str, int]) -> Iterator[str]:
    client.ask("wait", jobs=None)
    records = client.ask("list")["jobs"]
    if [one["id"] for one in records] != list(range(len(ENDS) + 1)):
        yield f"the queue holds other jobs than were acknowledged: {records}"
    for token, number in ids.items():
        record = records[number]
        ran = machine.root / f"ran.{token}"
        lines = ran.read_text().split() if ran.exists() else []
        known = record["reason"] == "exit" and record["exit"] == ENDS[token]
        lost = record["state"] == "lost" and record["reason"] == "host-lost" and point.who == "keeper"
        if lines != ["1"] or not (known or lost):
            yield f"{token} left {lines} and ended as {record}"
