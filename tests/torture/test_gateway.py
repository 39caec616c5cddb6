"""kill -9 of a gateway while it is asked without a pause, of managers behind it, and of its links to them: what it has
acknowledged runs once, and its end comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.core.lifecycle import FINAL
from sjs.gateway.settings import usual
from tests.gateway import program
from tests.live.machine import DEADLINE, Machine, running
from tests.torture import effort
from tests.torture.callers import Crowd
from tests.torture.fleet import command_line, parent, processes

KILLS = 100 if effort.LONG else 4
RATE, CALLERS = 200.0, 48
MOMENT = 100
"""Answers within which the moment of a kill lies, when a gateway is ready."""

EXITS = 251
WORDS = ("a", "b", "any", "any:@both")


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Machine]]:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with running(tmp_path / "a", slots=2) as a, running(tmp_path / "b", slots=2) as b:
        yield {"a": a, "b": b}


def test_what_was_acknowledged_runs_once_and_its_end_comes_back(
    tmp_path: Path, machines: dict[str, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "g")
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    config = {"managers": managers, "groups": {"both": ["a", "b"]}}
    token = program.prepared(usual(folder))

    def job(number: int) -> dict[str, Any]:
        command = f"echo {number} >> {tmp_path}/ran; exit {number % EXITS}"
        return {"command": command, "target": WORDS[number % len(WORDS)], "options": {"name": f"n{number}"}}

    with program.listening() as door:
        crowd = Crowd(door.getsockname()[1], token, effort.SEED, job, RATE, CALLERS)
        killing = Killing(config, folder, door, machines)
        begin = time.monotonic()
        asyncio.run(flooded(crowd, killing))
        took = time.monotonic() - begin
    told = {"answers": crowd.answers, "asked again": crowd.again, "jobs": len(crowd.acknowledged), **killing.killed}
    with capsys.disabled():
        print(f"\n{told}, {crowd.answers / took:.0f} answers a second, seed {effort.SEED}")
    wrong = [*crowd.wrong, *judged(Path(folder), tmp_path / "ran", crowd)]
    assert not wrong, "\n".join([f"seed {effort.SEED}", *wrong[:20]])
    assert killing.killed["gateway"] == KILLS


async def flooded(crowd: Crowd, killing: Killing) -> None:
    """The crowd asks while gateways are killed, until the last one has answered all."""
    asking, killed = asyncio.ensure_future(crowd.run()), asyncio.ensure_future(killing.rounds(crowd))
    await asyncio.wait((asking, killed), return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        killed.cancel()
        await asking  # which says why
    with await killed as last:
        crowd.stop()
        await asking
        await asyncio.to_thread(ended, Path(killing.folder))
        assert last.stdin is not None
        last.stdin.close()
        await asyncio.to_thread(last.wait, DEADLINE)


class Killing:
    """Gateways one after the other, and what happens around them meanwhile."""

    def __init__(self, config: dict[str, Any], folder: str, door: socket.socket, machines: dict[str, Machine]) -> None:
        self.killed: Counter[str] = Counter()
        self.folder = folder
        self._config = config
        self._door = door
        self._machines = machines
        self._chance = random.Random(effort.SEED)

    async def rounds(self, crowd: Crowd) -> subprocess.Popen[bytes]:
        """All of them; the gateway that is left."""
        end = effort.end()
        while self.killed["gateway"] < KILLS or time.monotonic() < end:
            with await asyncio.to_thread(self._ready) as process:
                await crowd.answered(self._chance.randrange(MOMENT))
                around = self._chance.choice(("nothing", "nothing", "manager", "link"))
                if around == "manager":
                    await asyncio.to_thread(self._chance.choice(list(self._machines.values())).kill_manager)
                if around == "link":
                    self._cut(process.pid)
                self.killed[around] += 1
                await crowd.answered(self._chance.randrange(MOMENT))
                process.kill()
            self.killed["gateway"] += 1
        return await asyncio.to_thread(self._ready)

    def _ready(self) -> subprocess.Popen[bytes]:
        process = program.started(self._config, self.folder, self._door)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", f"seed {effort.SEED}"
        return process

    def _cut(self, gateway: int) -> None:
        """What speaks to managers for it dies."""
        for pid in processes():
            if parent(pid) == gateway and command_line(pid)[-1:] == [b"ask"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def ended(folder: Path) -> None:
    """Until no job is left that has not."""
    with contextlib.closing(sqlite3.connect(folder / "gateway.db")) as database:
        left = -1
        while left:
            seen, left = left, _left(database)
            deadline = time.monotonic() + DEADLINE
            while left and left >= seen > 0:
                assert time.monotonic() < deadline, f"{left} jobs do not end; seed {effort.SEED}"
                time.sleep(0.1)
                left = _left(database)


def _left(database: sqlite3.Connection) -> int:
    states = ", ".join(f"'{state}'" for state in FINAL)
    (count,) = database.execute(f"SELECT count(*) FROM jobs WHERE state NOT IN ({states})").fetchone()
    return int(count)


def judged(folder: Path, ran: Path, crowd: Crowd) -> Iterator[str]:
    """What is wrong."""
    times = Counter(int(line) for line in ran.read_text().split())
    with contextlib.closing(sqlite3.connect(folder / "gateway.db")) as database:
        rows = database.execute("SELECT name, id, state, reason, exit FROM jobs").fetchall()
        known = {int(name[1:]): row for name, *row in rows}
        told: dict[int, list[str]] = {}
        for job, kind in database.execute("SELECT job, kind FROM events ORDER BY seq"):
            told.setdefault(job, []).append(kind)
        (batches,) = database.execute("SELECT count(*) FROM batches").fetchone()
    if batches:
        yield f"{batches} batches are left"
    if len(rows) != len(known):
        yield f"there are {len(rows)} jobs of {len(known)} numbers"
    if strange := known.keys() - crowd.acknowledged.keys() - crowd.abandoned:
        yield f"nobody has asked for {sorted(strange)[:10]}"
    for number, job in crowd.acknowledged.items():
        if number not in known or known[number][0] != job:
            yield f"k{number} was acknowledged as {job}, and is {known.get(number)}"
    for number, (job, *end) in known.items():
        right = ["failed" if number % EXITS else "succeeded", "exit", number % EXITS]
        if (ran_so := times.pop(number, 0)) != 1 or end != right:
            yield f"k{number}, job {job}, ran {ran_so} times and ended as {end}"
        kinds = [kind.removeprefix("job.") for kind in told.get(job, ())]
        if kinds not in (["accepted", "ended"], ["accepted", "running", "ended"]):
            yield f"of k{number}, job {job}, was told: {kinds}"
    if times:
        yield f"there is no job of what ran: {dict(times.most_common(10))}"
