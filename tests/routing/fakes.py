"""Managers of plain values, and fleets of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

from sjs.answers import Accepted, Status
from sjs.config import Manager
from sjs.core.job import Report, Spec
from sjs.errors import Full, NoManager, SjsError
from sjs.protocols import Envs, Target
from sjs.routing import Fleet
from sjs.values import replace


class FakeTarget:
    """A manager of plain values. `errors` are raised, one by one, instead of answers to chunks, and `lost` after they
    were taken; None lets one pass. With a `gate`, a report waits for it."""

    def __init__(self, name: str, maximum: int = 2, running: int = 0, error: SjsError | None = None) -> None:
        self.name = name
        self.maximum, self.running, self.error = maximum, running, error
        self.errors: list[SjsError | None] = []
        self.lost: list[SjsError | None] = []
        self.taken: list[str] = []
        self.known: dict[str, Accepted] = {}
        self.keys: list[str] = []
        self.again: list[bool] = []
        self.envs: list[Envs | None] = []
        self.waiting: list[tuple[str, Sequence[Spec], bool]] = []
        self.closed = False
        self.asked = 0
        self.gate: threading.Event | None = None

    def report(self, head: int = 0) -> Status:
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(60)
        if self.error is not None:
            raise self.error
        return Status(Report(self.name, self.running, self.maximum, 0), [], {}, "host", 1, "/", "1")

    def post(
        self,
        key: str,
        specs: Sequence[Spec],
        again: bool = False,
        if_free: bool = False,
        envs: Envs | None = None,
        via: str = "",
    ) -> None:
        self.keys.append(key)
        self.envs.append(envs)
        self.again.append(again)
        self.waiting.append((key, specs, if_free))

    def collect(self) -> Accepted:
        key, specs, if_free = self.waiting.pop(0)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        if key in self.known:
            return replace(self.known[key], repeated=True)
        if if_free and self.maximum - self.running < len(specs):
            raise Full("no free slot")
        first = len(self.taken)
        self.taken += [spec.command or "" for spec in specs]
        self.known[key] = Accepted(first, len(specs), self.maximum)
        lost = self.lost.pop(0) if self.lost else None
        if lost is not None:
            raise lost
        return self.known[key]

    def lookup(self, key: str) -> Sequence[str]:
        if self.error is not None:
            raise self.error
        return [one[len(key) + 1 :] for one in self.known if one.startswith(f"{key}/")]

    def close(self) -> None:
        self.closed = True


Fakes = dict[str, FakeTarget]


def fleet_of(*fakes: FakeTarget, start: str = "") -> tuple[Fleet, list[str]]:
    """A fleet of these targets, and where its notices go. Starting wakes whoever was asleep."""
    known: Fakes = {one.name: one for one in fakes}
    notices: list[str] = []

    class FakeFleet(Fleet):
        def _build(self, manager: Manager) -> Target:
            fake = known[manager.name]
            if self._start and type(fake.error) is NoManager:
                fake.error = None
            return cast(Target, fake)

    managers = [Manager(one.name, "local", "/") for one in fakes]
    return FakeFleet(managers, start, lambda name, text: notices.append(f"{name}: {text}")), notices


def specs(count: int) -> list[Spec]:
    return [Spec(command=str(number)) for number in range(count)]
