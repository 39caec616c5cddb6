"""kill -9 of a gateway while it is asked without a pause, of managers behind it, of its links to them, of its database:
what it has acknowledged runs once, its end comes back, and who follows what happens hears all of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.tables import events, jobs
from tests.gateway.databases import SERVERS, Server, mortal
from tests.live.machine import Machine, running
from tests.torture import effort
from tests.torture.callers import HOST, Crowd
from tests.torture.fleet import command_line, parent, processes
from tests.torture.listeners import Listener
from tests.torture.typed import Gateway, port

KILLS, OUTAGES = (100, 20) if effort.LONG else (2, 1)
RATE, CALLERS = 200.0, 48
MOMENT = 400 if effort.LONG else 100
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
def said(machines: dict[str, Machine]) -> Iterator[dict[str, Any]]:
    """A config.yaml."""
    managers = {name: {"transport": "local", "root": str(one.root)} for name, one in machines.items()}
    with port() as number:
        yield {"managers": managers, "groups": {"both": ["a", "b"]}, "gateway": {"listen": f"{HOST}:{number}"}}


def test_what_was_acknowledged_runs_once_and_its_end_comes_back(
    tmp_path: Path, said: dict[str, Any], machines: dict[str, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    killing = Killing(Gateway(tmp_path, said), machines)
    crowd, listeners = flood(killing, tmp_path, capsys)
    kills = killing.done["gateway"]  # and more of them where there is time
    assert kills >= KILLS and crowd.again
    # not each life is long enough for one who waits a little before he comes again
    assert all(one.came > kills // 2 for one in listeners)


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_database_goes_and_comes_back(
    tmp_path: Path, said: dict[str, Any], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Meanwhile later is said to be better, and jobs go on; afterwards nothing is lost, or there twice."""
    if not SERVERS[kind]:
        pytest.skip(f"no {kind} here")
    with mortal(kind) as (url, server):
        said["gateway"]["database"] = url
        crowd, _ = flood(Outages(Gateway(tmp_path, said), server), tmp_path, capsys)
    assert crowd.refused >= OUTAGES * TURNED_AWAY


def flood(trouble: Trouble, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Crowd, list[Listener]]:
    """Ask a gateway that is in trouble, and judge what has become of it all."""

    def job(number: int) -> dict[str, Any]:
        command = f"echo {number} >> {folder}/ran; exit {number % EXITS}"
        return {"command": command, "target": WORDS[number % len(WORDS)], "options": {"name": f"n{number}"}}

    token = trouble.gateway.token()
    crowd = Crowd(trouble.gateway.port, token, effort.SEED, job, RATE, CALLERS)
    listeners = [Listener(trouble.gateway.port, token, kind) for kind in ("", "job.ended")]
    asyncio.run(flooded(crowd, listeners, trouble))
    told = {"answers": crowd.answers, "asked again": crowd.again, "refused": crowd.refused, **trouble.done}
    rate = crowd.answers / trouble.served
    heard = [len(one.heard) for one in listeners]
    with capsys.disabled():
        print(
            f"\n{len(crowd.acknowledged)} jobs, {told}, {rate:.0f} answers a second while it was there, events {heard}"
        )
        print(f"seed {effort.SEED}")
    engine = engine_of(trouble.gateway.database)
    wrong = [*crowd.wrong, *judged(engine, folder / "ran", crowd), *missed(engine, listeners)]
    engine.dispose()
    assert not wrong, "\n".join([f"seed {effort.SEED}", *wrong[:20]])
    return crowd, listeners


async def flooded(crowd: Crowd, listeners: Sequence[Listener], trouble: Trouble) -> None:
    """The crowd asks until there was trouble enough, and the last gateway has answered all, and told of all."""
    asking = asyncio.ensure_future(crowd.run())
    hearing = asyncio.gather(*(one.run() for one in listeners))
    making = asyncio.ensure_future(trouble.make(crowd))
    try:
        await asyncio.wait((asking, hearing, making), return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            await asking if asking.done() else await hearing  # which says why
        await making
        crowd.stop()
        await asking
        await listeners[0].settled(crowd.acknowledged.values())
        for one in listeners:
            one.stop()
        assert await asyncio.to_thread(trouble.gateway.stop) == 0
        await hearing
    finally:
        for task in (asking, hearing, making):
            task.cancel()
        await asyncio.to_thread(trouble.gateway.close)


class Trouble:
    """What is done to a gateway while it is asked. `served`: seconds for which it was there."""

    def __init__(self, gateway: Gateway) -> None:
        self.done: Counter[str] = Counter()
        self.gateway = gateway
        self.served = 0.0
        self._chance = random.Random(effort.SEED)

    async def make(self, crowd: Crowd) -> None:
        """All of it; a gateway is left."""
        raise NotImplementedError


class Outages(Trouble):
    """Its database dies, and comes back when some have noticed."""

    def __init__(self, gateway: Gateway, server: Server) -> None:
        super().__init__(gateway)
        self._server = server

    async def make(self, crowd: Crowd) -> None:
        await asyncio.to_thread(self.gateway.start)
        begin, end = time.monotonic(), effort.end()
        while self.done["database"] < OUTAGES or time.monotonic() < end:
            await crowd.answered(self._chance.randrange(MOMENT))
            await asyncio.to_thread(self._server.kill)
            await crowd.turned_away(TURNED_AWAY)
            await asyncio.to_thread(self._server.start)
            self.done["database"] += 1
        await crowd.answered(CALLERS)
        self.served = time.monotonic() - begin


class Killing(Trouble):
    """Gateways one after the other, and what happens around them meanwhile."""

    def __init__(self, gateway: Gateway, machines: dict[str, Machine]) -> None:
        super().__init__(gateway)
        self._machines = machines

    async def make(self, crowd: Crowd) -> None:
        end = effort.end()
        while self.done["gateway"] < KILLS or time.monotonic() < end:
            await asyncio.to_thread(self.gateway.start)
            begin = time.monotonic()
            await crowd.answered(self._chance.randrange(MOMENT))
            around = self._chance.choice(("nothing", "nothing", "manager", "link"))
            if around == "manager":
                await asyncio.to_thread(self._chance.choice(list(self._machines.values())).kill_manager)
            if around == "link":
                self._cut()
            self.done[around] += 1
            await crowd.answered(self._chance.randrange(MOMENT))
            self.gateway.kill()
            self.served += time.monotonic() - begin
            self.done["gateway"] += 1
        await asyncio.to_thread(self.gateway.start)

    def _cut(self) -> None:
        """What speaks to managers for it dies."""
        for pid in processes():
            if parent(pid) == self.gateway.pid and command_line(pid)[-1:] == [b"ask"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


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


def missed(engine: Engine, listeners: Sequence[Listener]) -> Iterator[str]:
    """What was told otherwise than it is in the records, from the first to the last."""
    with engine.connect() as connection:
        rows = connection.execute(select(events.c.seq, events.c.kind, events.c.job).order_by(events.c.seq))
        known = [(seq, kind, job) for seq, kind, job in rows]
    for one in listeners:
        wanted = [event for event in known if event[1] == (one.kind or event[1])]
        for right, told in zip_longest(wanted, one.heard):
            if right != told:
                yield f"who follows {one.kind or 'all'} was told {told}, and {right} was to come"
                break
