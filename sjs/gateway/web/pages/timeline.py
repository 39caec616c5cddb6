"""/timeline: who ran what where."""

from __future__ import annotations

from heapq import nlargest
from time import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.errors import BadRequest
from sjs.gateway.web.pages import gantt
from sjs.gateway.web.pages.frame import Frame, number_of, reader

WINDOWS = {"10 minutes": 600, "an hour": 3_600, "6 hours": 21_600, "a day": 86_400, "a week": 604_800}
USUAL = 3_600
MOST = 10_000
"""Jobs that are looked at; a longer window says that there are more."""

LISTED = 40
"""Those that stand in the table, too."""


def routes(frame: Frame) -> list[Route]:
    async def timeline(request: Request) -> Response:
        said = request.query_params
        wanted = number_of(said.get("seconds"), "seconds")
        seconds = USUAL if wanted is None else wanted
        if seconds not in WINDOWS.values():
            raise BadRequest(f"seconds is one of {', '.join(map(str, WINDOWS.values()))}")
        now = time()
        until = number_of(said.get("until"), "until")
        stop = float(until) if until and until < now else now
        start = stop - seconds
        rows = await frame.desk.ran(reader(request), start, stop, MOST)
        spans = [
            gantt.Span(row.id, row.name, row.target, row.state, row.begun, now if row.ended is None else row.ended)
            for row in rows
        ]
        return frame.page(
            request,
            "timeline.html",
            picture=gantt.picture(spans, start, stop),
            share=_share,
            spans=nlargest(LISTED, spans, key=lambda one: one.start),
            count=len(spans),
            is_cut=len(spans) == MOST,
            start=start,
            stop=stop,
            seconds=seconds,
            windows=WINDOWS,
            is_now=stop == now,
            earlier=frame.url("/timeline", seconds=seconds, until=int(start)),
            later=frame.url("/timeline", seconds=seconds, until=int(min(stop + seconds, now))),
        )

    return [Route("/timeline", timeline, methods=["GET"])]


def _share(units: float) -> str:
    """Of the width of the picture, however wide it is shown."""
    return f"{100 * units / gantt.WIDTH:.3f}%"
