"""/live: what happens, for pages that show it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.gateway.desk import Desk
from sjs.gateway.web.pages.frame import number_of, reader
from sjs.gateway.web.streams import Stream
from sjs.values import replace


def routes(desk: Desk) -> list[Route]:
    async def live(request: Request) -> Response:
        """Server-Sent Events: of one job, sweep or pipeline, where that is said, and of these kinds."""
        said = request.query_params
        job = number_of(said.get("job"), "job")
        after = number_of(request.headers.get("last-event-id"), "Last-Event-ID")
        wanted = desk.wanted(reader(request), said.getlist("kind")[:20], job, said.get("owner"))
        if "sweep" in said:
            wanted = await desk.of_sweep(reader(request), wanted, said["sweep"])
        wanted = replace(wanted, pipeline=said.get("pipeline"))
        return Stream(desk, reader(request), wanted, after)

    return [Route("/live", live, methods=["GET"])]
