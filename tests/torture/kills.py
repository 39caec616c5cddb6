"""kill -9 of everything, round by round, while jobs are handed in; then a look at what became of each of them.

Runs beside the fleet's client, for a lab inside of it: `python -m tests.torture.kills '{"home": …, "hosts": …, …}'`
prints what was done, and what is wrong, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.live import strace
from tests.live.machine import until
from tests.rig.lab import USER
from tests.torture import verdict
from tests.torture.fleet import Host, asks, logins
from tests.torture.load import Load

MOMENT = 0.15
"""Seconds within which the random moment lies."""

BATCH = 20
"""Jobs of one command."""


@dataclass(frozen=True)
class Kill:
    """What was killed, and within which time."""

    bin: str
    host: str
    begin: float
    end: float
    keeper: bool


@dataclass
class Found:
    """The outcome."""

    kills: list[Kill] = field(default_factory=list)
    bins: dict[str, int] = field(default_factory=dict)
    jobs: int = 0
    repeated: int = 0
    typed_again: dict[int, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Rounds:
    """Kills, of every kind in turn, each time in another order."""

    def __init__(self, hosts: Sequence[Host], home: Path, loads: Sequence[Load], rng: random.Random) -> None:
        self.kills: list[Kill] = []
        self._hosts = hosts
        self._home = home
        self._loads = loads
        self._rng = rng
        self._far = all(host.network for host in hosts)
        self._kinds = self._all_kinds()
        self._next: list[str] = []

    def one(self) -> None:
        """One round: a kill at a moment of its kind, and the way back."""
        kind, host = self._draw(), self._rng.choice(self._hosts)
        begin = time.time()
        self._kinds[kind](host)
        keeper = kind in ("keeper", "both") or kind.startswith("keeper ")
        self.kills.append(Kill(kind, host.name, begin, time.time(), keeper))
        for load in self._loads:
            if load.failure:
                raise RuntimeError(load.failure)
        until(host.is_up, f"{host.name}, after a kill of {kind}")

    @property
    def kinds(self) -> list[str]:
        """All kinds of kills."""
        return list(self._kinds)

    def _draw(self) -> str:
        if not self._next:
            self._next = list(self._kinds)
            self._rng.shuffle(self._next)
        return self._next.pop()

    def _all_kinds(self) -> dict[str, Callable[[Host], None]]:
        found: dict[str, Callable[[Host], None]] = {
            "manager": lambda host: self._at_random(host, "manager"),
            "keeper": lambda host: self._at_random(host, "keeper"),
            "both": lambda host: self._at_random(host, "keeper", "manager"),
            "ask": lambda host: self._one_of(lambda: asks((str(self._home), f"/home/{USER}")), "an ask"),
            "client": lambda host: self._one_of(self._clients, "a client"),
        }
        if self._far:
            found["login"] = lambda host: self._one_of(logins, "a login")
            found["link"] = self._cut
        for who, steps in (("manager", strace.MANAGER_STEPS), ("keeper", strace.KEEPER_STEPS)):
            for step, call in steps.items():
                found[f"{who} {step}"] = lambda host, who=who, call=call: self._at_step(host, who, call)  # type: ignore[misc]
        return found

    def _at_random(self, host: Host, *who: str) -> None:
        time.sleep(self._rng.random() * MOMENT)
        until(lambda: bool(host.kill(*who)), f"{who} of {host.name}")

    def _at_step(self, host: Host, who: str, call: str) -> None:
        until(lambda: bool(host.pid(who)), f"{who} of {host.name}")
        strace.kill_at(host.pid(who), call, self._rng.randint(1, 4))

    def _one_of(self, look: Callable[[], list[int]], what: str) -> None:
        """Kill one of them as soon as there is any; it may be gone by then, so until one was there."""
        time.sleep(self._rng.random() * MOMENT)
        until(lambda: self._kill_one(look()), what)

    def _kill_one(self, pids: Sequence[int]) -> bool:
        try:
            os.kill(self._rng.choice(pids), signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            return False
        return True

    def _clients(self) -> list[int]:
        running = [load.process for load in self._loads]
        return [one.pid for one in running if one is not None and one.returncode is None]

    def _cut(self, host: Host) -> None:
        with host.cut():
            time.sleep(self._rng.random() * 2)  # a stall of any length is the point


def torture(home: Path, hosts: Sequence[Host], slots: int, seed: int, rounds: int, jobs: int, minutes: float) -> Found:
    """Rounds of kills until there were so many of both, and the minutes are over."""
    rng = random.Random(seed)
    loads = [Load(home, target, BATCH, seed) for target in (*(host.name for host in hosts), "any")]
    for load in loads:
        load.start()
    one = Rounds(hosts, home, loads, rng)
    until_at_least = time.monotonic() + 60 * minutes
    while len(one.kills) < rounds or sum(load.count for load in loads) < jobs or time.monotonic() < until_at_least:
        one.one()
        if minutes and len(one.kills) % 20 == 0:
            print(f"{len(one.kills)} kills, {sum(load.count for load in loads)} jobs", file=sys.stderr, flush=True)
    for load in loads:
        load.stop()
    for load in loads:
        load.join()
    found = Found(one.kills)
    found.bins = {kind: sum(kill.bin == kind for kill in one.kills) for kind in one.kinds}
    found.jobs = sum(load.count for load in loads)
    found.repeated = sum(load.repeated for load in loads)
    found.typed_again = dict(sum((load.again for load in loads), Counter()))
    found.wrong = [text for load in loads for text in (*load.wrong, *([load.failure] if load.failure else []))]
    found.ends = dict(verdict.judge(home, hosts, slots, loads, one.kills, found.wrong))
    return found


def main(asked: dict[str, Any]) -> int:
    hosts = [Host(one["name"], Path(one["root"]), one["network"]) for one in asked.pop("hosts")]
    found = torture(Path(asked.pop("home")), hosts, **asked)
    json.dump({**asdict(found), "kills": len(found.kills)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
