"""What a job prints, as its page has it: the end of it, what comes, and all of it as text."""

from __future__ import annotations

import asyncio
import html
import re
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sjs.compact import to_json
from sjs.errors import BadRequest, SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.identity.heads import STREAM
from sjs.gateway.identity.tokens import Token
from sjs.gateway.inquiries import Inquiries
from sjs.gateway.web.pages.ansi import Lines
from sjs.gateway.web.pages.frame import number_of, numbered, reader
from sjs.gateway.web.pages.screen import Line, Place, inside, place_of
from sjs.gateway.web.pages.screen import Row as Shown
from sjs.values import dataclass

STREAMS = ("out", "err")

TAIL = 64 << 10
"""Bytes of the end of what was printed that a page shows …"""

MOST_MARKUP = 60_000
"""… if it does not take more than this in the page."""

EVERY = 0.1
"""Seconds between what a reader is told, at least; what came meanwhile is told together."""

AT_ONCE = 1_000
"""Lines that are told at once; before them, others are left out."""

MOST_HEARD = 128 << 10
"""Bytes that are read for that: whatever a job prints, nobody reads faster."""

BEHIND = 1 << 20
"""Bytes. Who goes on from further away has the end, as who opens the page."""


@dataclass(frozen=True)
class Tail:
    """`first`: the number of the first row that can still change; `place`: from where on that is told; `is_part`: there
    is more before it."""

    rows: Sequence[Shown]
    first: int
    place: Place
    is_part: bool


@dataclass(frozen=True)
class Asked:
    """Of which attempt, None is the last, and which of its two streams."""

    attempt: int | None
    stream: str


def asked(request: Request) -> Asked:
    """What the query of a page says. BadRequest."""
    said = request.query_params
    stream = said.get("stream", "out")
    if stream not in STREAMS:
        raise BadRequest("stream is out or err")
    attempt = number_of(said.get("attempt"), "attempt")
    return Asked(None if attempt is None else min(attempt, 2**31 - 1), stream)


async def tail(inquiries: Inquiries, row: Row[Any], of: Asked) -> Tail:
    """The end of what it has printed; of one whose size nobody knows, the beginning."""
    size = await inquiries.size(row, of.stream, of.attempt)
    start = 0 if size is None else max(0, size - TAIL)
    data = bytearray()
    async with aclosing(inquiries.printed(row, [of.stream], of.attempt, start, TAIL)) as pieces:
        async for piece in pieces:
            data += piece
    return shown(bytes(data), start)


def shown(data: bytes, start: int) -> Tail:
    """As much of the end of it as a page has room for. Pure."""
    whole = re.search(rb"\r?\n|\r", data) if start else None
    begin = whole.end() if whole else 0
    lines = Lines(inside(start + begin))
    every = [*lines.feed(data[begin:]), *lines.open]
    left, kept = MOST_MARKUP, 0
    for _, line in reversed(every):
        left -= _markup(line)
        if left < 0:
            break
        kept += 1
    return Tail(every[len(every) - kept :], lines.place.first, lines.place, start > 0 or kept < len(every))


def _markup(line: Line) -> int:
    """Bytes that it takes in a page, about."""
    return 32 + sum(len(html.escape(text).encode("utf-8", "replace")) + len(classes) + 24 for text, classes in line)


class Telling:
    """What a reader is to be told of what is printed: rows that are new, or other than he was told; first, those that
    were final at this place, if he lacks them, and what is missing before them."""

    def __init__(self, place: Place, before: Sequence[Shown] = (), gap: str = "") -> None:
        self.offset = place.offset
        self._lines = Lines(place)
        self._told: dict[int, Line] = {}
        self._ended = deque(before, maxlen=AT_ONCE)
        self._count = len(self._ended)
        self._gap = gap
        self.heard = 0

    def hear(self, data: bytes) -> None:
        self.heard += len(data)
        for at in range(0, len(data), MOST_HEARD):
            ended = self._lines.feed(data[at : at + MOST_HEARD])
            self._count += len(ended)
            self._ended += ended

    def event(self) -> bytes:
        """All that he is to be told now. `top`: the number of the first row that can still be changed; `end`: that of
        the first one that is not there; `gap`: what is missing before all these."""
        place, still = self._lines.place, self._lines.open
        end = still[-1][0] + 1 if still else place.first
        left_out = self._count - len(self._ended)
        gap = f"{left_out} lines are left out here" if left_out else self._gap
        rows = [row for row in (*self._ended, *still) if self._told.get(row[0]) != row[1]]
        self._told, self._count, self._gap, self.heard = dict(still), 0, "", 0
        self._ended.clear()
        data = to_json({"rows": rows, "top": place.first, "end": end, "gap": gap})
        return f"id: {place.text}\ndata: {data}\n\n".encode("ascii")


async def told(
    desk: Desk, token: Token, pieces: AsyncGenerator[bytes, None], telling: Telling
) -> AsyncGenerator[bytes, None]:
    """Server-Sent Events of what is printed. An id is a place to go on from. `end`: the job prints no more."""
    loop = asyncio.get_running_loop()
    late = loop.time() + desk.settings.heartbeat
    rested = loop.time()
    yield b"retry: 2000\n\n"
    async with aclosing(pieces):
        coming = asyncio.ensure_future(anext(pieces, None))
        try:
            while True:
                rest = max(0.0, (min(late, rested) if telling.heard else late) - loop.time())
                if telling.heard >= MOST_HEARD:
                    await asyncio.sleep(rest)
                else:
                    await asyncio.wait([coming], timeout=rest)
                if loop.time() >= late:
                    if not await desk.is_good(token):
                        return
                    yield b":\n\n"
                    late = loop.time() + desk.settings.heartbeat
                if telling.heard and loop.time() >= rested:
                    rested = loop.time() + EVERY
                    yield telling.event()
                elif coming.done():
                    piece = coming.result()
                    if piece is None:
                        break
                    await asyncio.to_thread(telling.hear, piece)
                    coming = asyncio.ensure_future(anext(pieces, None))
            if telling.heard:
                yield telling.event()
        except SjsError as error:
            if telling.heard:
                yield telling.event()
            yield f"event: trouble\ndata: {to_json(error.message)}\n\n".encode("ascii")
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
    yield b"event: end\ndata: 0\n\n"


def routes(desk: Desk, inquiries: Inquiries) -> list[Route]:
    async def follow(request: Request) -> Response:
        of = asked(request)
        said = request.headers.get("last-event-id") or request.query_params.get("from", Place().text)
        place = place_of(said)
        if place is None:
            raise BadRequest("that is no place in what was printed")
        row = await desk.row(reader(request), numbered(request))
        telling = Telling(place)
        size = await inquiries.size(row, of.stream, of.attempt)
        if size is not None and size - place.offset > BEHIND:
            end = await tail(inquiries, row, of)
            telling = Telling(end.place, [one for one in end.rows if one[0] < end.first], "a part is left out here")
        pieces = inquiries.followed(reader(request), row, [of.stream], of.attempt, telling.offset)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(told(desk, reader(request), pieces, telling), 200, headers, STREAM.decode("ascii"))

    async def whole(request: Request) -> Response:
        of = asked(request)
        row = await desk.row(reader(request), numbered(request))
        await inquiries.size(row, of.stream, of.attempt)  # what is wrong is said before anything is sent
        name = f"job-{row.id}.{of.stream}.txt"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        found = inquiries.printed(row, [of.stream], of.attempt)
        return StreamingResponse(found, 200, headers, "text/plain; charset=utf-8")

    return [
        Route("/jobs/{number:int}/output", follow, methods=["GET"]),
        Route("/jobs/{number:int}/output.txt", whole, methods=["GET"]),
    ]
