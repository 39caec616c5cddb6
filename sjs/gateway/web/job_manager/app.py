"""The paths of job_manager. Whatever is answered is called HTML, and the words are its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sjs.errors import BadRequest, SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.feed import Page
from sjs.gateway.identity.guard import App, Receive, Scope, Send
from sjs.gateway.identity.heads import values_of
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.web.job_manager import bodies, look, pages, said, words
from sjs.gateway.web.job_manager.board import Board
from sjs.gateway.web.job_manager.words import Unfit
from sjs.gateway.web.problems import headers_of, status_of
from sjs.gateway.web.streams import Stream

LOG = logging.getLogger("sjs.gateway")

SCOPES = ("submit", "read")
"""What its clients need."""

KINDS = ("stage.defined", "stage.deleted", "stage.moved", "stage.expired")
"""Events after which a page is another."""

ANY = -1
"""However many numbers a path has."""

T = TypeVar("T")

Handler = Callable[[Request, Sequence[int]], Awaitable[Response]]
Methods = Mapping[str, Handler]


def application(desk: Desk) -> App:
    """The dialect, at a root of its own or mounted somewhere."""
    paths = Calls(desk).paths()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        answer = await _answered(request, paths, path)
        await answer(scope, receive, send)

    return app


class Calls:
    """What each path does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._board = Board(Pipelines(desk))

    def paths(self) -> Mapping[str, Mapping[int, Methods]]:
        """By the first word of a path, and how many numbers follow."""
        return {
            "": {0: _page(self.root)},
            "init": {ANY: {"GET": self.init}},
            "set": {0: {"POST": self.set}},
            "get": {0: _page(self.status), 1: {"GET": self.get}, 2: {"GET": self.get}},
            "update_job": {2: {"GET": self.update, "POST": self.update}},
            "check_stages": {0: {"GET": self.check}, 2: {"GET": self.check}},
            "lifetime": {0: _page(self.lifetimes), 1: _page(self.lifetimes), 2: {"GET": self.last}},
            "events": {0: {"GET": self.events}},
        }

    async def root(self, request: Request, numbers: Sequence[int]) -> Response:
        return _text(words.HELLO)

    async def init(self, request: Request, numbers: Sequence[int]) -> Response:
        stages = await self._board.init(request.state.token, _jobix(request), numbers)
        return _json({str(number): words.minutes(one.lifetime) for number, one in enumerate(stages)})

    async def set(self, request: Request, numbers: Sequence[int]) -> Response:
        jobix = _jobix(request)
        jobs = await self._body(request, said.jobs)
        await self._board.add(request.state.token, jobix, jobs)
        return _text(words.accepted(jobix))

    async def get(self, request: Request, numbers: Sequence[int]) -> Response:
        stage, target = numbers[0], numbers[-1] if len(numbers) > 1 and numbers[-1] else None
        jobix = _jobix(request)
        item = await self._board.take(request.state.token, jobix, stage, target)
        if item is None:
            return _json(words.NADA)
        return _text(words.taken(item.number, item.command or "null", stage, jobix))

    async def update(self, request: Request, numbers: Sequence[int]) -> Response:
        number, stage = numbers
        jobix = _jobix(request)
        changes = await self._body(request, said.changes) if request.method == "POST" else said.Changes()
        is_there = await self._board.update(request.state.token, jobix, number, stage, changes)
        return _text(words.updated(number, stage), {"sjs-updated": str(int(is_there))})

    async def check(self, request: Request, numbers: Sequence[int]) -> Response:
        token, jobix = request.state.token, _jobix(request)
        has_expired, unlimited = await self._board.check(token, jobix)
        if not all(numbers) or not numbers:
            return _json(words.checked(has_expired, unlimited))
        return _json(words.checked(has_expired, unlimited, await self._board.degrade(token, jobix, *numbers)))

    async def last(self, request: Request, numbers: Sequence[int]) -> Response:
        stage = await self._board.last(request.state.token, _jobix(request), *numbers)
        return _text(words.lifetime(numbers[0], stage.lifetime))

    async def status(self, request: Request, numbers: Sequence[int]) -> Response:
        token = request.state.token
        found = await self._board.groups(token, _jobix_if_said(request))
        wanted = request.query_params.get("group")
        name, shown = next((one for one in found if str(one[1].key) == wanted), found[-1] if found else ("", None))
        rows = [] if shown is None else await self._board.rows(token, name, shown)
        return _html(pages.status([group for _, group in found], shown, rows))

    async def lifetimes(self, request: Request, numbers: Sequence[int]) -> Response:
        found = await self._board.groups(request.state.token, _jobix_if_said(request))
        return _html(pages.lifetimes([group for _, group in found], numbers[0] if numbers else None))

    async def events(self, request: Request, numbers: Sequence[int]) -> Response:
        """When a page is another; not how, for who follows this may know no jobix."""
        token = request.state.token
        return Stream(self._desk, token, self._desk.wanted(token, KINDS), None, _reload)

    async def _body(self, request: Request, meant: Callable[[Mapping[str, Any]], T]) -> T:
        """What is meant by it; not in the loop, for it may be long."""
        data = await request.body()
        return await asyncio.to_thread(lambda: meant(bodies.read(data, self._desk.settings.most_body)))


def _page(handler: Handler) -> Methods:
    return {"GET": handler, "HEAD": handler}


async def _answered(request: Request, paths: Mapping[str, Mapping[int, Methods]], path: str) -> Response:
    try:
        found = said.path(path)
        counts = paths.get(found[0], {}) if found else {}
        methods = counts.get(len(found[1]) if found else 0) or counts.get(ANY)
        if found is None or methods is None:
            raise Unfit(404, "There is no such page.")
        if request.method == "OPTIONS":
            return Response(None, 200, {"allow": _allowed(methods)}, words.HTML)
        if request.method not in methods:
            raise Unfit(405, "That is not done by this method.", _allowed(methods))
        return await methods[request.method](request, found[1])
    except Unfit as error:
        return _problem(error.status, error.text, {"allow": error.allowed} if error.allowed else {})
    except SjsError as error:
        status = 400 if isinstance(error, BadRequest) else status_of(error)
        return _problem(status, str(error), headers_of(error))
    except ClientDisconnect:
        raise
    except Exception:
        LOG.exception("%s %s", request.method, path)
        return _problem(500, "Something went wrong here; it is in the log.", {})


def _allowed(methods: Methods) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _jobix(request: Request) -> int:
    return said.jobix(values_of(request.scope, b"jobix"))


def _jobix_if_said(request: Request) -> int | None:
    return _jobix(request) if values_of(request.scope, b"jobix") else None


def _reload(page: Page) -> bytes:
    return f"id: {page.reached}\nevent: reload\ndata: {{}}\n\n".encode("ascii") if page.events or page.lost else b""


def _text(text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, 200, dict(headers or {}), words.HTML)


def _json(value: object) -> Response:
    return _text(words.json_of(value))


def _html(page: str) -> Response:
    return _text(page, {"content-security-policy": look.POLICY})


def _problem(status: int, text: str, headers: Mapping[str, str]) -> Response:
    return Response(words.problem(status, text), status, dict(headers), words.HTML)
