"""/: how it stands, at one look."""

from __future__ import annotations

from time import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.core import lifecycle
from sjs.gateway.records import listing
from sjs.gateway.records.listing import Sought, Walk
from sjs.gateway.web.pages.frame import Frame, reader
from sjs.gateway.web.pages.sights import LIMIT, Sights
from sjs.gateway.web.pages.words import STATES

SHOWN = 8
"""Jobs of a list."""

MACHINES = 48
"""Those that are shown here; the page of machines has all."""

COLUMNS = ("id", "owner", "state", "name", "target", "word", "begun", "ended", "exit", "reason")


def routes(frame: Frame, sights: Sights) -> list[Route]:
    async def overview(request: Request) -> Response:
        token, desk = reader(request), frame.desk
        running, _ = await desk.page(token, Sought(states=lifecycle.LIVE), Walk(), SHOWN, COLUMNS)
        failed, _ = await desk.page(token, Sought(states=lifecycle.BAD), Walk(), SHOWN, COLUMNS)
        counts = await desk.counts(token, STATES)
        names = sights.names(token)
        return frame.page(
            request,
            "overview.html",
            counts=counts,
            most=listing.COUNTED,
            sights=await sights.of(names[:MACHINES]),
            more=len(names) - MACHINES,
            each=LIMIT,
            running=running,
            failed=failed,
            now=time(),
        )

    return [Route("/", overview, methods=["GET"])]
