"""The paths of jobmgr's API. Whatever goes wrong is said with status 200, and `status` in the body."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sjs.errors import SjsError, UnknownJob
from sjs.gateway.artifacts.links import BadLink
from sjs.gateway.artifacts.media import jobmgr_disposition, jobmgr_mime_of
from sjs.gateway.artifacts.store import NoArtifact
from sjs.gateway.desk import Desk
from sjs.gateway.identity.guard import App, Receive, Scope, Send
from sjs.gateway.web.conditions import NoSuchRange, asked
from sjs.gateway.web.doors import Door
from sjs.gateway.web.jobmgr import looking, said, wire
from sjs.gateway.web.jobmgr.starting import start

LOG = logging.getLogger("sjs.gateway")

SCOPES = ("submit", "read")
"""What clients may do that present no token: hand in jobs of named specs, and look at them."""

KEPT = "/artifacts/kept"

Handler = Callable[[Request], Awaitable[Response]]


def application(desk: Desk, environ: Mapping[str, str], keys: Sequence[bytes]) -> App:
    """The dialect, at a root of its own or mounted somewhere. `keys`: what links to artifacts are signed with."""
    calls = Calls(desk, environ, Door(desk.store, keys, desk.settings.links, _headers))
    paths: Mapping[str, tuple[str, Handler]] = {
        "/": ("GET", calls.root),
        "/jobs/start": ("POST", calls.start),
        "/jobs/get": ("GET", calls.get),
        "/artifacts/download": ("GET", calls.download),
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if path.startswith(f"{KEPT}/"):
            answer = await calls.kept(request, path[len(KEPT) + 1 :])
        elif path in paths:
            answer = await _called(request, *paths[path])
        elif path.endswith("/") and path != "//" and path[:-1] in paths:
            answer = _without_stroke(request)
        else:
            answer = wire.no_such_path()
        await answer(scope, receive, send)

    return app


class Calls:
    """What each path does."""

    def __init__(self, desk: Desk, environ: Mapping[str, str], door: Door) -> None:
        self._desk = desk
        self._environ = environ
        self._door = door

    async def root(self, request: Request) -> Response:
        return Response("Beep boop blop I am a jobmgr API server", 200, media_type=wire.PLAIN)

    async def start(self, request: Request) -> Response:
        found = said.fields(_query(request), request.headers.get("content-type", ""), await request.body())
        name = said.job_name(found)
        given = said.parameters(found)
        number = await start(self._desk, request.state.token, self._environ, name, given)
        return wire.answer({"created": number})

    async def get(self, request: Request) -> Response:
        number = said.number(said.fields(_query(request), "", b""), "id")
        return wire.answer(await looking.job(self._desk, request.state.token, number))

    async def download(self, request: Request) -> Response:
        number = said.number(said.fields(_query(request), "", b""), "id")
        row, owner = await looking.artifact(self._desk, request.state.token, number)
        below = f"{request.scope.get('root_path', '')}{KEPT}"
        return wire.redirect(307, self._door.link(below, row.place, row.name, owner, row.sha256), request.method)

    async def kept(self, request: Request, word: str) -> Response:
        """What a link leads to. Here errors are what they are called: who follows links looks at the status."""
        if request.method not in ("GET", "HEAD"):
            return wire.no_such_method("GET, HEAD, OPTIONS")
        try:
            return await self._door.open(word, asked(request.method, request.headers))
        except NoArtifact as error:
            return Response(f"{error}\n", 404, media_type=wire.PLAIN)
        except BadLink as error:
            return Response(f"{error}\n", 403, media_type=wire.PLAIN)
        except NoSuchRange as error:
            return Response(f"{error}\n", 416, error.headers, wire.PLAIN)


async def _called(request: Request, method: str, handler: Handler) -> Response:
    allowed = ", ".join(sorted((method, "OPTIONS")))
    if request.method == "OPTIONS":
        return Response(None, 200, {"allow": allowed})
    if request.method != method:
        return wire.no_such_method(allowed)
    try:
        return await handler(request)
    except said.Unfit as error:
        return wire.refusal(error.code)
    except UnknownJob:
        return wire.refusal(wire.INTERNAL)
    except SjsError as error:
        return wire.refusal(wire.INTERNAL, str(error))
    except ClientDisconnect:
        raise
    except Exception:
        LOG.exception("%s %s", request.method, request.url.path)
        return wire.refusal(wire.INTERNAL)


def _without_stroke(request: Request) -> Response:
    query = _query(request).decode("latin-1")
    path = request.scope["path"][:-1] + (f"?{query}" if query else "")
    return wire.redirect(301 if request.method == "GET" else 308, path, request.method)


def _query(request: Request) -> bytes:
    return bytes(request.scope["query_string"])


def _headers(name: str) -> tuple[str, str]:
    return jobmgr_mime_of(name), jobmgr_disposition(name)
