"""kill -9 of a gateway while it is asked without a pause, of managers behind it, of its links to them, of its database:
what it has acknowledged runs once, and its end comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.tables import events, jobs
from sjs.gateway.settings import Settings, usual
from sjs.values import replace
from tests.gateway import program
from tests.gateway.databases import SERVERS, Server, mortal
from tests.live.machine import DEADLINE, Machine, running
from tests.torture import effort
from tests.torture.callers import Crowd
from tests.torture.fleet import command_line, parent, processes

KILLS, OUTAGES = (100, 20) if effort.LONG else (2, 1)
RATE, CALLERS = 200.0, 48
MOMENT = 100
"""Answers within which the moment of a kill lies, when a gateway is ready."""

TURNED_AWAY = 20
"""So often it is said of a database that it is away, until it comes back."""

EXITS = 251
WORDS = ("a", "b", "any", "any:@both")


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Machine]]:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with running(tmp_path / "a", slots=2) as a, running(tmp_path / "b", slots=2) as b:
        yield {"a": a, "b": b}


@pytest.fixture
def config(machines: dict[str, Machine]) -> dict[str, Any]:
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    return {"managers": managers, "groups": {"both": ["a", "b"]}}


def test_what_was_acknowledged_runs_once_and_its_end_comes_back(
    tmp_path: Path, config: dict[str, Any], machines: dict[str, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = usual(str(tmp_path / "g"))
    with program.listening() as door:
        killing = Killing(config, settings, door, machines)
        crowd = flood(killing, tmp_path, door, capsys)
    assert killing.killed["gateway"] == KILLS and crowd.again


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_database_goes_and_comes_back(
    tmp_path: Path, config: dict[str, Any], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meanwhile later is said to be better, and jobs go on; afterwards nothing is lost, or there twice."""
    if not SERVERS[kind]:
        pytest.skip(f"no {kind} here")
    with mortal(kind) as (url, server), program.listening() as door:
        outages = Outages(config, replace(usual(str(tmp_path / "g")), database=url), door, server)
        crowd = flood(outages, tmp_path, door, capsys)
    assert crowd.refused >= OUTAGES * TURNED_AWAY


def flood(trouble: Trouble, folder: Path, door: socket.socket, capsys: pytest.CaptureFixture[str]) -> Crowd:
    """Ask a gateway that is in trouble, and judge what has become of it all."""

    def job(number: int) -> dict[str, Any]:
        command = f"echo {number} >> {folder}/ran; exit {number % EXITS}"
        return {"command": command, "target": WORDS[number % len(WORDS)], "options": {"name": f"n{number}"}}

    token = program.prepared(trouble.settings)
    crowd = Crowd(door.getsockname()[1], token, effort.SEED, job, RATE, CALLERS)
    engine = engine_of(trouble.settings.database)
    begin = time.monotonic()
    asyncio.run(flooded(crowd, trouble, engine))
    told = {"answers": crowd.answers, "asked again": crowd.again, "refused": crowd.refused, **trouble.killed}
    rate = crowd.answers / (time.monotonic() - begin)
    with capsys.disabled():
        print(f"\n{len(crowd.acknowledged)} jobs, {told}, {rate:.0f} answers a second, seed {effort.SEED}")
    wrong = [*crowd.wrong, *judged(engine, folder / "ran", crowd)]
    engine.dispose()
    assert not wrong, "\n".join([f"seed {effort.SEED}", *wrong[:20]])
    return crowd


async def flooded(crowd: Crowd, trouble: Trouble, engine: Engine) -> None:
    """The crowd asks until there was trouble enough, and the last gateway has answered all."""
    asking, troubled = asyncio.ensure_future(crowd.run()), asyncio.ensure_future(trouble.make(crowd))
    await asyncio.wait((asking, troubled), return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        troubled.cancel()
        await asking  # which says why
    with await troubled as last:
        crowd.stop()
        await asking
        await asyncio.to_thread(ended, engine)
        assert last.stdin is not None
        last.stdin.close()
        await asyncio.to_thread(last.wait, DEADLINE)


class Trouble:
    """What is done to a gateway while it is asked."""

    def __init__(self, config: dict[str, Any], settings: Settings, door: socket.socket) -> None:
        self.killed: Counter[str] = Counter()
        self.settings = settings
        self._config = config
        self._door = door
        self._chance = random.Random(effort.SEED)

    async def make(self, crowd: Crowd) -> subprocess.Popen[bytes]:
        """All of it; the gateway that is left."""
        raise NotImplementedError

    def _ready(self) -> subprocess.Popen[bytes]:
        process = program.started(self._config, self.settings.folder, self._door, self.settings.database)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", f"seed {effort.SEED}"
        return process


class Outages(Trouble):
    """Its database dies, and comes back when some have noticed."""

    def __init__(self, config: dict[str, Any], settings: Settings, door: socket.socket, server: Server) -> None:
        super().__init__(config, settings, door)
        self._server = server

    async def make(self, crowd: Crowd) -> subprocess.Popen[bytes]:
        process = await asyncio.to_thread(self._ready)
        end = effort.end()
        while self.killed["database"] < OUTAGES or time.monotonic() < end:
            await crowd.answered(self._chance.randrange(MOMENT))
            await asyncio.to_thread(self._server.kill)
            await crowd.turned_away(TURNED_AWAY)
            await asyncio.to_thread(self._server.start)
            self.killed["database"] += 1
        await crowd.answered(CALLERS)
        return process


class Killing(Trouble):
    """Gateways one after the other, and what happens around them meanwhile."""

    def __init__(
        self, config: dict[str, Any], settings: Settings, door: socket.socket, machines: dict[str, Machine]
    ) -> None:
        super().__init__(config, settings, door)
        self._machines = machines

    async def make(self, crowd: Crowd) -> subprocess.Popen[bytes]:
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

    def _cut(self, gateway: int) -> None:
        """What speaks to managers for it dies."""
        for pid in processes():
            if parent(pid) == gateway and command_line(pid)[-1:] == [b"ask"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def ended(engine: Engine) -> None:
    """Until no job is left that has not."""
    seen, deadline = -1, 0.0
    while left := _left(engine):
        if left != seen:
            seen, deadline = left, time.monotonic() + DEADLINE
        assert time.monotonic() < deadline, f"{left} jobs do not end; seed {effort.SEED}"
        time.sleep(0.1)  # it is another process that writes there


def _left(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM jobs WHERE ended IS NULL")) or 0)


def judged(engine: Engine, ran: Path, crowd: Crowd) -> Iterator[str]:
    """What is wrong."""
    times = Counter(int(line) for line in ran.read_text().split())
    with engine.connect() as connection:
        rows = connection.execute(select(*(jobs.c[key] for key in ("name", "id", "state", "reason", "exit")))).all()
        known = {int(name[1:]): row for name, *row in rows}
        told: dict[int, list[str]] = {}
        for job, kind in connection.execute(select(events.c.job, events.c.kind).order_by(events.c.seq)):
            told.setdefault(job, []).append(kind)
        batches = connection.scalar(text("SELECT count(*) FROM batches"))
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
