"""/api/v1/jobs/N/artifacts: what a job has left, and links to it; /api/v1/artifacts: for whoever has such a link."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from sjs.compact import to_json
from sjs.gateway.artifacts.media import content_type, disposition, mime_of
from sjs.gateway.artifacts.store import NoArtifact
from sjs.gateway.desk import Desk
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records import artifacts
from sjs.gateway.web.api import models
from sjs.gateway.web.api.describe import JSON, Answers, answer, told
from sjs.gateway.web.api.jobs import Match, Number
from sjs.gateway.web.conditions import Asked
from sjs.gateway.web.doors import Door, File, sent

LINKED = "/artifacts"
"""Below it lies what links lead to, where the store has no links of its own."""

Uuid = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="The id of an artifact.",
        examples=["6fa459ea-ee8a-5ca4-894e-db77e160355e"],
    ),
]
Word = Annotated[str, Path(max_length=4_096, pattern="^[A-Za-z0-9_.-]+$", description="What a link was made with.")]

PUBLIC = {"x-public": True}


def _asked(
    request: Request,
    match: Match = None,
    wanted: Annotated[str | None, Header(alias="Range", description="Which bytes.")] = None,
    condition: Annotated[str | None, Header(alias="If-Range", description="Of this ETag.")] = None,
) -> Asked:
    return Asked(request.method == "HEAD", match, wanted, condition)


Wanted = Annotated[Asked, Depends(_asked)]


def headers_of(name: str) -> tuple[str, str]:
    """How a browser is told to treat what is called so."""
    mime = mime_of(name)
    return content_type(mime), disposition(name, mime)


def document(row: Row[Any]) -> dict[str, Any]:
    """An artifact as JSON has it."""
    names = ("uuid", "name", "attempt", "mime", "size", "sha256", "created")
    return {name: getattr(row, name) for name in names}


def routes(desk: Desk, prefix: str, keys: Sequence[bytes]) -> APIRouter:
    """`prefix`: where the API is; `keys`: what links are signed with."""
    router = APIRouter(tags=["artifacts"])
    door = Door(desk.store, keys, desk.settings.links, headers_of)

    async def one(token: Token, number: int, uuid: str) -> Row[Any]:
        await desk.row(token, number)
        row = await desk.read(lambda connection: artifacts.called(connection, number, uuid))
        if row is None:
            raise NoArtifact(f"job {number} has left no artifact {uuid}")
        return row

    @router.get("/jobs/{number}/artifacts", responses=answer(200, "Some of them.", models.Artifacts) | told(404, 422))
    async def listing(number: Number, request: Request) -> Response:
        """What is kept of the files that a job has left."""
        row = await desk.row(request.state.token, number)
        found = await desk.read(lambda connection: artifacts.of_job(connection, number))
        left_out = row.left_out.split("\n") if row.left_out else []
        said = {"is_complete": artifacts.is_collected(row), "left_out": left_out}
        return Response(to_json({"artifacts": [document(one) for one in found], **said}), 200, None, JSON)

    @router.head("/jobs/{number}/artifacts/{uuid}", response_class=Response, responses=_head() | told(404, 422))
    @router.get(
        "/jobs/{number}/artifacts/{uuid}", response_class=StreamingResponse, responses=_file() | told(404, 416, 422)
    )
    async def get(number: Number, uuid: Uuid, request: Request, asked: Wanted) -> Response:
        """A file that a job has left."""
        row = await one(request.state.token, number, uuid)
        return await sent(desk.store, File(row.place, row.size, row.sha256, headers_of(row.name)), asked)

    @router.post(
        "/jobs/{number}/artifacts/{uuid}/link",
        responses=answer(200, "The link.", models.Link) | told(404, 422),
    )
    async def link(number: Number, uuid: Uuid, request: Request) -> Response:
        """Where anybody can have it for some time, without a token."""
        row = await one(request.state.token, number, uuid)
        owner = (await desk.row(request.state.token, number)).owner
        url = await asyncio.to_thread(door.link, f"{prefix}{LINKED}", row.place, row.name, owner, row.sha256)
        return Response(to_json({"url": url, "expires": time.time() + desk.settings.links}), 200, None, JSON)

    @router.head(
        f"{LINKED}/{{word}}", response_class=Response, responses=_head() | told(404, 422), openapi_extra=PUBLIC
    )
    @router.get(
        f"{LINKED}/{{word}}",
        response_class=StreamingResponse,
        responses=_file() | told(404, 416, 422),
        openapi_extra=PUBLIC,
    )
    async def linked(word: Word, asked: Wanted) -> Response:
        """What a link leads to."""
        return await door.open(word, asked)

    return router


def _bytes(status: int, text: str, *headers: str) -> Answers:
    content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    said = {name: {"schema": {"type": "string"}} for name in headers}
    return {status: {"description": text, "content": content, "headers": said}}


def _head() -> Answers:
    said = {"ETag": "Of its contents.", "Accept-Ranges": "`bytes`."}
    return answer(200, "How it is.", None, said) | answer(304, "It is as it was.", None, said)


def _file() -> Answers:
    known = answer(304, "It is as it was.", None, {"ETag": "Of its contents."})
    part = _bytes(206, "The bytes that were asked for.", "ETag", "Accept-Ranges", "Content-Range")
    return _bytes(200, "All of it.", "ETag", "Accept-Ranges") | part | known
