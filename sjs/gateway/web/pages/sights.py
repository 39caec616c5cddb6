"""How machines are, as far as it is known: no page waits for one that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import time

from sjs.answers import Status
from sjs.core.needs import WHOLE
from sjs.errors import SjsError
from sjs.gateway.identity.tokens import Token, reachable
from sjs.gateway.inquiries import Inquiries
from sjs.values import dataclass

PATIENCE = 0.7
"""Seconds that a page waits for machines. Who takes longer is shown as he was; the page that follows has the rest."""

LIMIT = 16
"""Machines on a page: they are asked, and each has a picture."""

BOXES = 128
"""Slots that are drawn; of more, a number says how many."""

ACROSS, STEP = 20, 14
"""How many of them are in a row, and how far one is from the next."""


@dataclass(frozen=True)
class Gpu:
    """`share`: how much of it is taken, of one."""

    name: str
    kind: str
    mem: int
    share: float


@dataclass(frozen=True)
class Boxes:
    """Slots of which the same is so."""

    kind: str
    places: range

    @property
    def path(self) -> str:
        """All of them as one shape of SVG: a page has many."""
        corners = ((at % ACROSS * STEP, at // ACROSS * STEP) for at in self.places)
        return "".join(f"M{x} {y}h11v11h-11z" for x, y in corners)


@dataclass(frozen=True)
class Sight:
    """A machine as it was seen `at` some time; None: not yet. `trouble`: why it does not say now how it is."""

    name: str
    at: float | None = None
    status: Status | None = None
    trouble: str = ""

    @property
    def state(self) -> str:
        if self.trouble:
            return "away"
        if self.status is None:
            return "asked"
        return "paused" if self.status.paused else "drained" if self.status.drained else "ready"

    @property
    def tone(self) -> str:
        """The class by which that is coloured."""
        return {"ready": "good", "away": "bad", "asked": "plain"}.get(self.state, "waits")

    @property
    def boxes(self) -> Sequence[Boxes]:
        """A box for each slot: those of one class after those of another."""
        if self.status is None:
            return ()
        report = self.status.report
        running = min(report.running, BOXES)
        return [Boxes("runs", range(running)), Boxes("free", range(running, min(report.max_running, BOXES)))]

    @property
    def height(self) -> int:
        """Of the picture of them."""
        return STEP * -(-sum(len(one.places) for one in self.boxes) // ACROSS)

    @property
    def gpus(self) -> Sequence[Gpu]:
        report = self.status.report if self.status else None
        if report is None or report.machine is None:
            return ()
        taken = dict(report.granted)
        return [Gpu(one.name, one.kind, one.mem, taken.get(one.name, 0) / WHOLE) for one in report.machine.gpus]


class Sights:
    """What was seen last of each machine. One that is away keeps no page waiting: it is shown as it was."""

    def __init__(self, names: Sequence[str], inquiries: Inquiries) -> None:
        self._names = names
        self._inquiries = inquiries
        self._known: dict[str, Sight] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def names(self, token: Token) -> list[str]:
        """Those that it may use."""
        return reachable(token, self._names)

    async def of(self, names: Sequence[str]) -> list[Sight]:
        """How these are, as far as it is known within a moment. Who asks is known to be allowed to use them; and asks
        of few at a time, for each is asked by a thread of its own."""
        asking = [self._asked(name) for name in names]
        if asking:
            await asyncio.wait(asking, timeout=PATIENCE)
        return [self._known.get(name) or Sight(name) for name in names]

    def _asked(self, name: str) -> asyncio.Task[None]:
        if name not in self._asking:
            self._asking[name] = asyncio.create_task(self._ask(name))
            self._asking[name].add_done_callback(lambda done: self._asking.pop(name))
        return self._asking[name]

    async def _ask(self, name: str) -> None:
        found = await self._inquiries.status(name)
        before = self._known.get(name) or Sight(name)
        if isinstance(found, SjsError):
            self._known[name] = Sight(name, before.at, before.status, found.message)
        else:
            self._known[name] = Sight(name, time(), found)
