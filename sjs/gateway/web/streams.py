"""Events as they happen, for whoever follows them over HTTP (Server-Sent Events)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.feed import Follower, Page, Wanted
from sjs.gateway.identity.heads import STREAM
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records.events import Event, document

LOG = logging.getLogger("sjs.gateway")

RETRY = 2_000
"""Milliseconds after which who has lost a stream comes again."""


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


class Stream(Response):
    """Events from a place on, for as long as whoever asked is there, his token is good, and the gateway serves. `say`:
    what is sent of them."""

    media_type = STREAM.decode("ascii")

    def __init__(
        self, desk: Desk, token: Token, wanted: Wanted, after: int | None, say: Callable[[Page], bytes] = frames
    ) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._desk = desk
        self._token = token
        self._wanted = wanted
        self._after = after
        self._say = say

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
                told = self._say(page)
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
