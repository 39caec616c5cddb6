"""jobd's paths. What is said there is in `words`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Row
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.core.lifecycle import FINAL
from sjs.errors import SjsError, UnknownJob
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import Token, may, may_submit
from sjs.gateway.records import artifacts, jobs
from sjs.gateway.records.jobs import Exists
from sjs.gateway.web.jobd import answers, description, words
from sjs.gateway.web.jobd.answers import Large
from sjs.gateway.web.jobd.orders import Orders
from sjs.gateway.web.jobd.outputs import pack
from sjs.gateway.web.jobd.trees import Trees
from sjs.gateway.web.jobd.uploads import Unusable, Upload
from sjs.gateway.zips.json_answer import Base64Of, TextOf

SCOPES = ("submit", "raw", "read")
"""What its clients need."""

UPLOAD, GET = "/api/upload", "/api/get/"

PIECE = 1 << 20
"""Bytes of an upload that are looked at in one go."""

AT_ONCE = 2
"""Archives that are unpacked, or packed, at a time."""


def application(desk: Desk) -> Starlette:
    """All that jobd answers, to whoever has the token in `request.state`."""
    paths = Paths(desk)
    routes = [
        _route(UPLOAD, paths.upload, "POST"),
        _route(f"{GET}{{name:path}}", paths.get, "GET"),
        _route("/swagger/doc.json", description.document, "GET"),
        _route("/swagger/index.html", description.page, "GET"),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _nowhere, 405: _nowhere, SjsError: _refused})
    app.router.redirect_slashes = False
    return app


def _route(path: str, answer: Any, method: str) -> Route:
    route = Route(path, answer, methods=[method])
    route.methods = {method}  # to jobd, HEAD is not what GET is
    return route


async def _nowhere(request: Request, error: Exception) -> Response:
    return answers.nowhere()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, SjsError)
    return answers.refusal(error)


class Paths:
    """What is done under each of them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._orders = Orders(desk)
        self._staging = desk.staging
        self._trees = Trees(desk)
        self._most = desk.settings.most_upload
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def upload(self, request: Request) -> Any:
        """Take a job in. What is answered is true whatever becomes of this process."""
        token: Token = request.state.token
        upload = Upload(self._staging, self._most)
        try:
            await _read(request, upload, may_submit(token, None, ()))
            words.check_name(upload.name)
            at = time.time()
            await self._take(token, upload)
        except BaseException as error:
            upload.close()
            if isinstance(error, ClientDisconnect):
                return Response(None, 499)  # nobody hears it
            raise
        said = words.created(at, upload.name, upload.for_slurm, TextOf(upload.text))
        return Large(201, said, upload.close)

    async def _take(self, token: Token, upload: Upload) -> None:
        """Have it run, or have it noted why it cannot."""
        if await self._number(token, upload.name) is not None:
            raise Exists(words.EXISTS)
        try:
            if self._orders.word(upload.for_slurm) == words.NOWHERE:
                raise Unusable("")
            async with self._turn:
                tree = await self._trees.keep(upload)
        except Unusable as error:
            await self._orders.refuse(token, upload.name, upload.for_slurm, error.message)
        else:
            await self._orders.accept(token, upload.name, upload.for_slurm, tree)

    async def _number(self, token: Token, name: str) -> int | None:
        return await self._desk.read(partial(jobs.named, owner=token.owner, origin=words.ORIGIN, public=name))

    async def get(self, request: Request) -> Any:
        """How it stands with a job, and all that it has left once it has ended."""
        token: Token = request.state.token
        check(may(token, "read"))
        name = _name(request)
        if not name:
            return answers.nowhere()
        number = await self._number(token, name)
        if number is None:
            raise UnknownJob(name)
        row = await self._desk.row(token, number)
        if row.state not in FINAL or not artifacts.is_collected(row):
            return answers.problem(202, "no_content", "job not ready")
        return await self._ended(row)

    async def _ended(self, row: Row[Any]) -> Large:
        status = 206 if words.status(row) == words.PARTIAL else 200
        if row.rules is None or not row.attempt:  # it never ran
            return Large(status, words.ended(row, ""), _nothing)
        found = await self._desk.read(partial(artifacts.of_job, job=row.id))
        left = [one for one in found if one.attempt == row.attempt]
        file = self._staging.file()
        try:
            async with self._turn:
                await asyncio.to_thread(pack, left, self._desk.store, file)
        except BaseException:
            file.close()
            raise
        return Large(status, words.ended(row, Base64Of(file)), file.close)


async def _read(request: Request, upload: Upload, denied: Any) -> None:
    """Read it to its end, even if it is known before that it is refused: whoever is answered while he still sends may
    not hear it."""
    wrong: SjsError | None = None
    try:
        check(denied)
    except SjsError as error:
        wrong = error
    async for piece in _pieces(request):
        if wrong is None:
            try:
                await asyncio.to_thread(upload.feed, piece)
            except SjsError as error:
                wrong = error
    if wrong is not None:
        raise wrong
    await asyncio.to_thread(upload.finish)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    held = bytearray()
    async for piece in request.stream():
        held += piece
        if len(held) >= PIECE:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _name(request: Request) -> str:
    """Which job is asked for: one part of the path, in which a slash is written as %2F; nothing where there are
    several."""
    written = request.scope["raw_path"].decode("ascii", "replace").partition(GET)[2]
    return "" if "/" in written else unquote(written)


def _nothing() -> None:
    """There is nothing to let go of."""
