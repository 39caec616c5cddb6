"""/machines: who there is, how they are, and what they have."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from time import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.answers import Status
from sjs.core.needs import WHOLE
from sjs.errors import SjsError
from sjs.gateway.desk import check
from sjs.gateway.identity.tokens import may, reachable
from sjs.gateway.inquiries import Inquiries, NoTarget
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame, reader
from sjs.values import dataclass

PATIENCE = 0.7
"""Seconds that a page waits for machines. Who takes longer is shown as he was; the page that follows has the rest."""

BOXES = 128
"""Slots that are drawn; of more, a number says how many."""


@dataclass(frozen=True)
class Gpu:
    """`share`: how much of it is taken, of one."""

    name: str
    kind: str
    mem: int
    share: float


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
    def boxes(self) -> Sequence[str]:
        """A class for each slot."""
        if self.status is None:
            return ()
        report = self.status.report
        total = max(report.max_running, report.running)
        return (["runs"] * report.running + ["free"] * (total - report.running))[:BOXES]

    @property
    def gpus(self) -> Sequence[Gpu]:
        report = self.status.report if self.status else None
        if report is None or report.machine is None:
            return ()
        taken = dict(report.granted)
        return [Gpu(one.name, one.kind, one.mem, taken.get(one.name, 0) / WHOLE) for one in report.machine.gpus]


class Sights:
    """What was seen last of each machine. One that is away keeps no page waiting: it is shown as it was."""

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries
        self._known: dict[str, Sight] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, names: Sequence[str]) -> list[Sight]:
        """How they are, as far as it is known within a moment."""
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


def routes(frame: Frame, inquiries: Inquiries) -> list[Route]:
    sights = Sights(inquiries)

    async def machines(request: Request) -> Response:
        names = reachable(reader(request), [one.name for one in frame.desk.config.everyone])
        return frame.page(request, "machines.html", sights=await sights.of(names), now=time())

    async def steer(request: Request) -> Response:
        """Have nothing new start there, or again as usual."""
        said = await forms.posted(request, frame.desk.link_keys)
        name = request.path_params["name"]
        check(may(reader(request), "admin"))
        if name not in reachable(reader(request), [one.name for one in frame.desk.config.everyone]):
            raise NoTarget(f"there is no target {name!r:.100}")
        is_to_end = said.get("what") == "drain"
        await frame.desk.questions.ask(name, partial(frame.desk.office.drain, name, is_to_end))
        return RedirectResponse(frame.url("/machines"), 303)

    return [
        Route("/machines", machines, methods=["GET"]),
        Route("/machines/{name}", steer, methods=["POST"]),
    ]
