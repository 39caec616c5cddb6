"""Answers as jobd gives them, large ones piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.responses import Response

from sjs.errors import BadRequest, SjsError, UnknownJob
from sjs.gateway.identity.guard import Receive, Scope, Send
from sjs.gateway.records.jobs import Exists
from sjs.gateway.web.jobd import words
from sjs.gateway.web.problems import status_of
from sjs.gateway.zips.json_answer import answer
from sjs.gateway.zips.json_scan import BadJson, JsonTooLarge

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

PIECE = 128 << 10
"""Bytes of one piece at least, but for the last."""


def problem(status: int, error: str, text: str, media: str = JSON) -> Response:
    """Every answer that is none about a job."""
    return _whole(status, b"".join(answer(words.problem(status, error, text))), media)


def refusal(error: SjsError) -> Response:
    """What an error of ours is to jobd's clients."""
    if isinstance(error, BadJson):
        return problem(400, "bad_request", f"error reading job from request {error.message}", TEXT)
    if isinstance(error, Exists):
        return problem(400, "bad_request", words.EXISTS)
    if isinstance(error, UnknownJob):
        return problem(404, "not_found", "job not found")
    if isinstance(error, BadRequest):
        return problem(400, "bad_request", error.message)
    status = 413 if isinstance(error, JsonTooLarge) else status_of(error)
    return problem(status, error.code, error.message)


def nowhere() -> Response:
    """There is nothing under such an address, or not by such a method."""
    return _whole(404, b"404 page not found", "text/plain")


def _whole(status: int, body: bytes, media: str) -> Response:
    return Response(body, status, {"content-type": media})


class Large:
    """A document with files in it. `close` lets go of them, however far it came."""

    def __init__(self, status: int, fields: Mapping[str, Any], close: Callable[[], None]) -> None:
        self._status = status
        self._pieces = gathered(answer(fields))
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = [(b"content-type", JSON.encode())]
            await send({"type": "http.response.start", "status": self._status, "headers": headers})
            while (piece := await asyncio.to_thread(next, self._pieces, None)) is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._close()


def gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same in larger pieces: each costs a turn of a thread."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)
