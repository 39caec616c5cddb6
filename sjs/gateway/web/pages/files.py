"""/jobs/N/files: what a job has left, one by one. A picture may be shown; all else is to be saved, for it is the job's
to say what is in it, and this is where its reader is signed in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, Row
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.gateway.artifacts.media import ANYTHING, content_type, disposition, mime_of
from sjs.gateway.artifacts.store import Store
from sjs.gateway.desk import Desk
from sjs.gateway.records import artifacts
from sjs.gateway.web.conditions import asked
from sjs.gateway.web.doors import File, sent
from sjs.gateway.web.pages.frame import numbered, reader
from sjs.values import dataclass

LIMIT = 30
"""Files on a page."""

PICTURES: Mapping[str, re.Pattern[bytes]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
"""What is shown, and how each begins. In none of them anything can run."""

MOST_SHOWN = 20 << 20
"""Bytes of a picture that is shown in its page."""

POLICY = "default-src 'none'; sandbox"


@dataclass(frozen=True)
class Left:
    """Some of what a job has left; `more`: behind which row there are others."""

    files: Sequence[Row[Any]]
    more: int | None


def some(connection: Connection, job: int, attempt: int, after: int) -> Left:
    found = artifacts.some(connection, job, attempt, after, LIMIT + 1)
    return Left(found[:LIMIT], found[LIMIT - 1].id if len(found) > LIMIT else None)


def is_picture(name: str, size: int) -> bool:
    """Whether a page shows what is called so."""
    return mime_of(name) in PICTURES and size <= MOST_SHOWN


def routes(desk: Desk) -> list[Route]:
    async def one(request: Request) -> Response:
        number, uuid = numbered(request), str(request.path_params["uuid"])
        await desk.row(reader(request), number)
        row = await desk.read(lambda connection: artifacts.called(connection, number, uuid))
        if row is None:
            raise HTTPException(404)
        mime = mime_of(row.name)
        shown = "save" not in request.query_params and await asyncio.to_thread(_is_what_it_says, desk.store, row, mime)
        how = disposition(row.name, mime if shown else ANYTHING)
        file = File(row.place, row.size, row.sha256, (content_type(mime) if shown else ANYTHING, how))
        answer = await sent(desk.store, file, asked(request.method, request.headers))
        answer.headers["content-security-policy"] = POLICY
        return answer

    return [Route("/jobs/{number:int}/files/{uuid:uuid}", one, methods=["GET"])]


def _is_what_it_says(store: Store, row: Row[Any], mime: str) -> bool:
    """Whether it begins as pictures of its kind do."""
    if mime not in PICTURES or not row.size:
        return False
    with closing(store.open(row.place, 0, min(16, row.size))) as reading:
        head = b"".join(reading)
    return PICTURES[mime].match(head) is not None
