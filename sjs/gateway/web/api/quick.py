"""The requests that come most, answered before FastAPI looks at them, which is most of what they would cost. They are
in its document as all others, and only what is plainly right is answered here: what is wrong FastAPI says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from starlette.requests import Request

from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.identity.guard import Message, Receive, Scope, Send
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.web import problems
from sjs.gateway.web.api import jobs, models
from sjs.gateway.web.api.stages import claims
from sjs.gateway.web.api.stages import models as stages

JOBS = "/api/v1/jobs"
JOB = re.compile(rf"{JOBS}/([1-9][0-9]{{0,17}})")
CLAIM = re.compile(r"/api/v1/stages/([A-Za-z0-9_][A-Za-z0-9_.-]{0,99})/claims(?:/([0-9a-f]{32})/finish)?")
KEY = re.compile(rb"[\x21-\x7e]{1,200}")


class Quick:
    """In front of an application. The path of what it answers, as the document has it, is in scope["state"]["path"]."""

    def __init__(self, desk: Desk, environ: Mapping[str, str]) -> None:
        self._desk = desk
        self._environ = environ
        self._pipelines = Pipelines(desk)

    async def left(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """None, once it was answered; else by what the request is to be received, from its beginning."""
        if scope["type"] != "http" or scope["query_string"]:
            return receive
        if scope["method"] == "GET":
            return await self._look(scope, receive, send)
        if scope["method"] == "POST" and scope["path"] == JOBS:
            return await self._submit(scope, receive, send)
        if scope["method"] == "POST" and (claim := CLAIM.fullmatch(scope["path"])):
            return await self._claim(claim[1], claim[2], scope, receive, send)
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

    async def _claim(
        self, pipeline: str, word: str | None, scope: Scope, receive: Receive, send: Send
    ) -> Receive | None:
        """Who wants an item, or is done with one."""
        if _header(scope, b"content-type") != b"application/json":
            return receive
        body = await _body(receive)
        if body is None:
            return None
        request = Request(scope, receive)
        try:
            said = (stages.NewClaim if word is None else stages.Finished).model_validate(json.loads(body))
        except (ValueError, RecursionError):
            return _again(body, receive)
        try:
            if isinstance(said, stages.NewClaim):
                answer = await claims.claimed(self._pipelines, pipeline, said, request, None)
            else:
                answer = await claims.finished(self._pipelines, pipeline, word or "", said, request, None)
        except SjsError as error:
            answer = problems.of_error(error, scope["state"]["request_id"])
        scope["state"]["path"] = f"/api/v1/stages/{{pipeline}}/claims{'' if word is None else '/{word}/finish'}"
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
