"""/api/v1/events: what happens, as it does (Server-Sent Events), or a page at a time."""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from sjs.compact import to_json
from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.feed import Follower, Page, Wanted
from sjs.gateway.identity.heads import STREAM, HeadRules, wants_stream
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records.events import Event, document
from sjs.gateway.web.api.describe import told

LOG = logging.getLogger("sjs.gateway")

RETRY = 2_000
"""Milliseconds after which who has lost a stream comes again."""

Place = Annotated[int | None, Query(ge=0, lt=2**63, description="The id of the last event that is known already.")]
Last = Annotated[
    int | None, Header(alias="Last-Event-ID", ge=0, lt=2**63, description="The same; it counts, if both are said.")
]
Kinds = Annotated[
    list[Annotated[str, Query(min_length=1, max_length=32)]] | None,
    Query(alias="kind", max_length=20, description="Only these: job.accepted, job.running, job.ended, …"),
]
Job = Annotated[int | None, Query(ge=1, lt=2**63, description="Only of this job.")]
Owner = Annotated[str | None, Query(min_length=1, max_length=100, description="Only of this owner's jobs.")]
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


@lru_cache(maxsize=4_096)
def framed(event: Event) -> bytes:
    """An event, as a stream has it. JSON in ASCII has no line ends of its own."""
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {document(event)}\n\n".encode("ascii")


def frames(page: Page) -> bytes:
    """What a stream says of a page. Whoever has missed something hears of it first, and has the id with which to go
    on."""
    told = [framed(one) for one in page.events]
    if page.lost:
        before = page.events[0].seq - 1 if page.events else page.reached
        told.insert(0, f'id: {before}\nevent: reset\ndata: {{"id":{before},"type":"reset"}}\n\n'.encode("ascii"))
    return b"".join(told)


def paged(page: Page) -> str:
    """A page, as JSON."""
    told = ",".join(map(document, page.events))
    return f'{{"events":[{told}],"next":{page.reached},"reset":{to_json(page.lost)}}}'


class Stream(Response):
    """Events from a place on, for as long as whoever asked is there, his token is good, and the gateway serves."""

    media_type = STREAM.decode("ascii")

    def __init__(self, desk: Desk, token: Token, wanted: Wanted, after: int | None) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._desk = desk
        self._token = token
        self._wanted = wanted
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._desk.feed.followed(self._wanted, self._after) as follower:
            begin = f"retry: {RETRY}\nid: {await follower.begin()}\n\n".encode("ascii")
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": begin, "more_body": True})
            gone = asyncio.ensure_future(_gone(receive))
            gone.add_done_callback(lambda done: follower.poke())
            try:
                await self._follow(follower, gone, send)
            except SjsError as error:
                LOG.warning("a stream of events has ended, and its client comes again: %s", error)
            finally:
                gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _follow(self, follower: Follower, gone: asyncio.Future[None], send: Send) -> None:
        loop = asyncio.get_running_loop()
        late = loop.time() + self._desk.settings.heartbeat
        timer = loop.call_at(late, follower.poke)
        try:
            while (page := await follower.more()) is not None and not gone.done():
                told = frames(page)
                if loop.time() >= late:
                    if not await self._desk.is_good(self._token):
                        return
                    told += b":\n\n"
                    late = loop.time() + self._desk.settings.heartbeat
                    timer = loop.call_at(late, follower.poke)
                if told:
                    await send({"type": "http.response.body", "body": told, "more_body": True})
        finally:
            timer.cancel()


async def _gone(receive: Receive) -> None:
    """Come back when whoever asked has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(tags=["events"])

    @router.get(
        "/events",
        response_model=Told,
        responses=told(422)
        | {200: {"content": {Stream.media_type: {"schema": {"type": "string"}, "example": EXAMPLE}}}},
    )
    async def events(
        request: Request,
        after: Place = None,
        last: Last = None,
        kind: Kinds = None,
        job: Job = None,
        owner: Owner = None,
        limit: Most = 100,
    ) -> Response:
        """What has happened to jobs, the oldest first; what happens, as it does, where `text/event-stream` is asked
        for."""
        token = request.state.token
        wanted = desk.wanted(token, kind or (), job, owner)
        place = after if last is None else last
        if wants_stream(request.scope, HeadRules(hosts=())):
            return Stream(desk, token, wanted, place)
        return Response(paged(await desk.feed.page(place or 0, wanted, limit)), media_type="application/json")

    return router
