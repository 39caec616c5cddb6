"""What a job prints, as its page has it: the end of it, what comes, and all of it as text."""

from __future__ import annotations

import asyncio
import html
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
from sjs.gateway.web.pages.ansi import Line, Lines, Place, place_of
from sjs.gateway.web.pages.frame import number_of, numbered, reader
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


@dataclass(frozen=True)
class Tail:
    """`place`: where its last line begins, if that `is_open`, else the next one; `is_part`: there is more before it."""

    lines: Sequence[Line]
    place: str
    is_part: bool
    is_open: bool


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
    first = data.find(b"\n") + 1 if start else 0
    lines = Lines(Place(start + first))
    every = lines.feed(data[first:])
    every += [lines.open] if lines.open else []
    left, kept = MOST_MARKUP, 0
    for line in reversed(every):
        left -= _markup(line)
        if left < 0:
            break
        kept += 1
    return Tail(every[len(every) - kept :], lines.place.text, start > 0 or kept < len(every), bool(lines.open))


def _markup(line: Line) -> int:
    """Bytes that it takes in a page, about."""
    return 32 + sum(len(html.escape(text).encode("utf-8", "replace")) + len(classes) + 24 for text, classes in line)


async def told(
    desk: Desk, token: Token, pieces: AsyncGenerator[bytes, None], place: Place
) -> AsyncGenerator[bytes, None]:
    """Server-Sent Events of what is printed: lines that have ended, and the one that has not, which is told again with
    the next. An id is a place to go on from. `end`: the job prints no more."""
    loop, lines = asyncio.get_running_loop(), Lines(place)
    late = loop.time() + desk.settings.heartbeat
    yield b"retry: 2000\n\n"
    async with aclosing(pieces):
        coming = asyncio.ensure_future(anext(pieces, None))
        try:
            while True:
                await asyncio.wait([coming], timeout=max(0.0, late - loop.time()))
                if loop.time() >= late:
                    if not await desk.is_good(token):
                        return
                    yield b":\n\n"
                    late = loop.time() + desk.settings.heartbeat
                if not coming.done():
                    continue
                piece = coming.result()
                if piece is None:
                    break
                rested = loop.time() + EVERY
                coming = asyncio.ensure_future(anext(pieces, None))
                ended = await asyncio.to_thread(lines.feed, piece)
                yield _framed(ended, lines)
                await asyncio.sleep(max(0.0, rested - loop.time()))
        except SjsError as error:
            yield f"event: trouble\ndata: {to_json(error.message)}\n\n".encode("ascii")
            return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
    yield b"event: end\ndata: 0\n\n"


def _framed(ended: Sequence[Line], lines: Lines) -> bytes:
    left_out = max(0, len(ended) - AT_ONCE)
    data = to_json({"lines": ended[left_out:], "open": lines.open, "leftOut": left_out})
    return f"id: {lines.place.text}\ndata: {data}\n\n".encode("ascii")


def routes(desk: Desk, inquiries: Inquiries) -> list[Route]:
    async def follow(request: Request) -> Response:
        of = asked(request)
        said = request.headers.get("last-event-id") or request.query_params.get("from", "0")
        place = place_of(said)
        if place is None:
            raise BadRequest("that is no place in what was printed")
        row = await desk.row(reader(request), numbered(request))
        pieces = inquiries.followed(reader(request), row, [of.stream], of.attempt, place.offset)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(told(desk, reader(request), pieces, place), 200, headers, STREAM.decode("ascii"))

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
