"""The two requests that come most, answered before FastAPI looks at them, which is most of what they would cost. They
are in its document as all others, and only what is plainly right is answered here: what is wrong FastAPI says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.identity.guard import Message, Receive, Scope, Send
from sjs.gateway.web import problems
from sjs.gateway.web.api import jobs, models

JOBS = "/api/v1/jobs"
JOB = re.compile(rf"{JOBS}/([1-9][0-9]{{0,17}})")
KEY = re.compile(rb"[\x21-\x7e]{1,200}")


class Quick:
    """In front of an application. The path of what it answers, as the document has it, is in scope["state"]["path"]."""

    def __init__(self, desk: Desk, environ: Mapping[str, str]) -> None:
        self._desk = desk
        self._environ = environ

    async def left(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """None, once it was answered; else by what the request is to be received, from its beginning."""
        if scope["type"] != "http" or scope["query_string"]:
            return receive
        if scope["method"] == "GET":
            return await self._look(scope, receive, send)
        if scope["method"] == "POST" and scope["path"] == JOBS:
            return await self._submit(scope, receive, send)
        return receive

    async def _look(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        found = JOB.fullmatch(scope["path"])
        match = _header(scope, b"if-none-match")
        if found is None or match is None:
            return receive
        try:
            row = await self._desk.row(scope["state"]["token"], int(found[1]))
            answer = jobs.of_row(row, match.decode("latin-1") or None)
        except SjsError as error:
            answer = problems.of_error(error, scope["state"]["request_id"])
        scope["state"]["path"] = f"{JOBS}/{{number}}"
        await answer(scope, receive, send)
        return None

    async def _submit(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        kind, key = _header(scope, b"content-type"), _header(scope, b"idempotency-key")
        if kind != b"application/json" or key is None or not (key == b"" or KEY.fullmatch(key)):
            return receive
        body = await _body(receive)
        if body is None:
            return None
        try:
            said = models.NewJob.model_validate(json.loads(body))
        except (ValueError, RecursionError):
            return _again(body, receive)
        try:
            answer = await jobs.submitted(
                self._desk, self._environ, scope["state"]["token"], said, key.decode("ascii") or None
            )
        except SjsError as error:
            answer = problems.of_error(error, scope["state"]["request_id"])
        scope["state"]["path"] = JOBS
        await answer(scope, receive, send)
        return None


def _header(scope: Scope, name: bytes) -> bytes | None:
    """What it says, b"" where it is not there; None where that is nothing, or several things."""
    found = [value for one, value in scope["headers"] if one == name]
    if not found:
        return b""
    return found[0] or None if len(found) == 1 else None


async def _body(receive: Receive) -> bytes | None:
    """All of it; None if who asked has gone."""
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives what was received."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return left.pop() if left else await receive()

    return received
