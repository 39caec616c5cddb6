"""/machines: who there is, how they are, and what they have."""

from __future__ import annotations

from functools import partial
from time import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.gateway.desk import check
from sjs.gateway.identity.tokens import may
from sjs.gateway.inquiries import NoTarget
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame, number_of, reader
from sjs.gateway.web.pages.sights import LIMIT, Sights


def routes(frame: Frame, sights: Sights) -> list[Route]:
    async def machines(request: Request) -> Response:
        names = sights.names(reader(request))
        start = number_of(request.query_params.get("start"), "start") or 0
        return frame.page(
            request,
            "machines.html",
            sights=await sights.of(names[start : start + LIMIT]),
            start=start,
            count=len(names),
            each=LIMIT,
            now=time(),
        )

    async def steer(request: Request) -> Response:
        """Have nothing new start there, or again as usual."""
        said = await forms.posted(request, frame.desk.link_keys)
        name = request.path_params["name"]
        check(may(reader(request), "admin"))
        if name not in sights.names(reader(request)):
            raise NoTarget(f"there is no target {name!r:.100}")
        is_to_end = said.get("what") == "drain"
        await frame.desk.questions.ask(name, partial(frame.desk.office.drain, name, is_to_end))
        return RedirectResponse(frame.url("/machines", start=number_of(said.get("start"), "start") or None), 303)

    return [
        Route("/machines", machines, methods=["GET"]),
        Route("/machines/{name}", steer, methods=["POST"]),
    ]
