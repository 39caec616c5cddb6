"""/api/v1/events: what happens, as it does (Server-Sent Events), or a page at a time."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from sjs.compact import to_json
from sjs.gateway.desk import Desk
from sjs.gateway.feed import Page
from sjs.gateway.identity.heads import HeadRules, wants_stream
from sjs.gateway.records.events import document
from sjs.gateway.web.api.describe import PRINTABLE, told
from sjs.gateway.web.api.models import Kind
from sjs.gateway.web.streams import Stream

Place = Annotated[int | None, Query(ge=0, lt=2**63, description="The id of the last event that is known already.")]
Last = Annotated[
    int | None, Header(alias="Last-Event-ID", ge=0, lt=2**63, description="The same; it counts, if both are said.")
]
Kinds = Annotated[
    list[Kind] | None,
    Query(alias="kind", max_length=20, description="Only these: job.accepted, job.running, job.ended, …"),
]
Job = Annotated[int | None, Query(ge=1, lt=2**63, description="Only of this job.")]
Owner = Annotated[
    str | None, Query(min_length=1, max_length=100, pattern=PRINTABLE, description="Only of this owner's jobs.")
]
Sweep = Annotated[
    str | None, Query(min_length=1, max_length=128, pattern=PRINTABLE, description="Only of this sweep's jobs.")
]
Most = Annotated[int, Query(ge=1, le=1_000, description="Events on a page; a stream has no end.")]


EXAMPLE = """\
retry: 2000
id: 41

id: 42
event: job.ended
data: {"id":42,"type":"job.ended","time":1.5,"data":{"id":7,"owner":"ann","state":"failed","reason":"exit","exit":3}}

"""


class ToldEvent(BaseModel):
    """What has happened. `data` names what it has as the job's document does."""

    id: int
    type: str
    time: float
    data: dict[str, Any]


class Told(BaseModel):
    """`next`: the place after them, for `after`; `reset`: something in between is not kept any more."""

    events: list[ToldEvent]
    next: int
    reset: bool


def paged(page: Page) -> str:
    """A page, as JSON."""
    told = ",".join(map(document, page.events))
    return f'{{"events":[{told}],"next":{page.reached},"reset":{to_json(page.lost)}}}'


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["events"])

    @router.get(
        "/events",
        response_model=Told,
        responses=told(422, s404="There is no such sweep.")
        | {200: {"content": {Stream.media_type: {"schema": {"type": "string"}, "example": EXAMPLE}}}},
    )
    async def events(
        request: Request,
        after: Place = None,
        last: Last = None,
        kind: Kinds = None,
        job: Job = None,
        owner: Owner = None,
        sweep: Sweep = None,
        limit: Most = 100,
    ) -> Response:
        """What has happened to jobs, the oldest first; what happens, as it does, where `text/event-stream` is asked
        for."""
        token = request.state.token
        wanted = desk.wanted(token, kind or (), job, owner)
        if sweep is not None:
            wanted = await desk.of_sweep(token, wanted, sweep)
        place = after if last is None else last
        if wants_stream(request.scope, HeadRules(hosts=())):
            return Stream(desk, token, wanted, place)
        return Response(paged(await desk.feed.page(place or 0, wanted, limit)), media_type="application/json")

    return router
