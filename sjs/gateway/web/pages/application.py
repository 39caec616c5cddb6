"""All pages, as one application."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, request_response

from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.identity.entry import Admission, Lookup
from sjs.gateway.identity.guard import App, Receive, Scope, Send
from sjs.gateway.identity.heads import HeadRules, wants_stream
from sjs.gateway.inquiries import Inquiries
from sjs.gateway.web import problems
from sjs.gateway.web.pages import (
    events,
    files,
    handing,
    job,
    jobs,
    live,
    machines,
    overview,
    pipelines,
    printed,
    sweeps,
    timeline,
)
from sjs.gateway.web.pages.entrance import Entrance
from sjs.gateway.web.pages.frame import Frame, Place, assets
from sjs.gateway.web.pages.sights import Sights
from sjs.gateway.web.pages.visitors import Visitors

PLACES = (
    Place("/machines", "Machines"),
    Place("/jobs", "Jobs"),
    Place("/sweeps", "Sweeps"),
    Place("/pipelines", "Pipelines"),
    Place("/timeline", "Timeline"),
    Place("/events", "Events"),
)
"""Where one can go, in this order."""

_OPEN = ("/static/", "/sign-in")


def application(
    desk: Desk, environ: Mapping[str, str], inquiries: Inquiries, lookup: Lookup, admission: Admission, head: HeadRules
) -> App:
    """The pages, for those who have signed in. `lookup`: the token of a public id."""
    frame = Frame(desk, desk.settings.path, PLACES)
    sights = Sights([one.name for one in desk.config.everyone], inquiries)
    entrance = Entrance(frame, lookup)
    routes = [
        Route("/static/{digest}/{name}", _static, methods=["GET"]),
        *entrance.routes(),
        *live.routes(desk),
        *jobs.routes(frame),
        *handing.routes(frame, environ),
        *job.routes(frame, inquiries),
        *printed.routes(desk, inquiries),
        *files.routes(desk),
        *overview.routes(frame, sights),
        *machines.routes(frame, sights),
        *sweeps.routes(frame, environ),
        *pipelines.routes(frame),
        *timeline.routes(frame),
        *events.routes(frame),
    ]
    pages = Starlette(routes=routes)
    _say_errors(pages, frame)

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["path"] = _route_of(routes, scope)
        await pages(scope, receive, send)

    return Visitors(
        named,
        lookup,
        admission,
        desk.link_keys,
        desk.settings.path,
        lambda path: path.startswith(_OPEN),
        lambda scope: wants_stream(scope, head),
        request_response(entrance.turned_away),
    )


NAMES = frozenset(["", "static", "sign-in", "sign-out", "live", *(one.path[1:] for one in PLACES)])


def is_page(path: str) -> bool:
    """Whether a path is for people: by the first word of it. All others are the API's."""
    return path[1:].partition("/")[0] in NAMES


def _route_of(routes: list[Route], scope: Scope) -> str:
    """For the numbers: as many as there are pages, and not as many as there are jobs."""
    return next((one.path for one in routes if one.path_regex.match(scope["path"])), "page")


async def _static(request: Request) -> Response:
    found = assets().get(request.path_params["name"])
    if found is None or found.digest != request.path_params["digest"]:
        raise HTTPException(404)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(found.body, 200, headers, found.mime)


def _say_errors(pages: Starlette, frame: Frame) -> None:
    def said(request: Request, status: int, text: str, hint: str = "") -> Response:
        return frame.page(request, "error.html", status, text=text, hint=hint)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, SjsError)
        return said(request, problems.status_of(error), error.message, error.hint or "")

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = "there is no such page" if error.status_code == 404 else str(error.detail)
        return said(request, error.status_code, text)

    pages.add_exception_handler(SjsError, ours)
    pages.add_exception_handler(HTTPException, http)
