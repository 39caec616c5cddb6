"""/events: what has happened, the newest first."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.gateway.records.events import Event
from sjs.gateway.web.pages.frame import Frame, number_of, reader

LIMIT = 100
KINDS = (
    *("job.accepted", "job.running", "job.ended", "job.retried", "job.collected"),
    *("stage.defined", "stage.moved", "stage.expired", "stage.deleted"),
)


def routes(frame: Frame) -> list[Route]:
    async def listing(request: Request) -> Response:
        said = request.query_params
        kinds = [one for one in said.getlist("kind") if one in KINDS]
        job = number_of(said.get("job"), "job")
        found = await frame.desk.past(reader(request), kinds, job, number_of(said.get("before"), "before"), LIMIT + 1)
        shown = found[:LIMIT]
        older = None
        if len(found) > LIMIT:
            older = frame.url("/events", before=shown[-1].seq, kind=kinds or None, job=job)
        return frame.page(
            request,
            "events.html",
            events=[(one, _told(one)) for one in shown],
            kinds=KINDS,
            chosen=kinds,
            job=job,
            older=older,
            is_newest=said.get("before") is None,
        )

    return [Route("/events", listing, methods=["GET"])]


def _told(event: Event) -> list[tuple[str, str]]:
    """What there is to say of it, in pairs."""
    data = json.loads(event.data)
    return [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in data.items() if value]
