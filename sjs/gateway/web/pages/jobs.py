"""/jobs: all of them, some at a time, in either direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time
from typing import Any

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.errors import BadRequest
from sjs.gateway.records.listing import Sought, Walk
from sjs.gateway.web.pages.frame import Frame, number_of, reader
from sjs.gateway.web.pages.words import STATES

LIMIT = 50
FILTERS = ("name", "target", "spec", "sweep", "tag")
COLUMNS = (
    *("id", "owner", "state", "name", "spec", "target", "word", "created", "begun", "ended", "exit", "signal"),
    "reason",
)


def routes(frame: Frame) -> list[Route]:
    async def listing(request: Request) -> Response:
        said = request.query_params
        chosen = [one for one in STATES if one in said.getlist("state")]
        names = (*FILTERS, "owner") if "admin" in reader(request).scopes else FILTERS
        filters = {name: said[name] for name in names if said.get(name)}
        is_oldest = said.get("sort") == "oldest"
        query: dict[str, Any] = {"state": chosen or None, **filters, "sort": "oldest" if is_oldest else None}
        rows, places, further = await _walked(frame, request, _sought(chosen, filters), is_oldest)
        return frame.page(
            request,
            "jobs.html",
            jobs=rows,
            lasted=[_lasted(row, time()) for row in rows],
            links=_urls(frame, places, query),
            further=further,
            chosen=chosen,
            names=names,
            filters=filters,
            is_oldest=is_oldest,
            states=STATES,
            is_whole=not (chosen or filters),
        )

    return [Route("/jobs", listing, methods=["GET"])]


def _sought(states: Sequence[str], filters: Mapping[str, str]) -> Sought:
    """Which jobs these filters mean. BadRequest. Pure."""
    tag, equals, value = filters.get("tag", "").partition("=")
    if tag and not equals:
        raise BadRequest("a tag is sought as NAME=VALUE")
    owner, name, spec, target = (filters.get(one) for one in ("owner", "name", "spec", "target"))
    return Sought(owner, tuple(states), name, spec, target, ((tag, value),) if tag else ())


Places = Mapping[str, int | None]
"""Where it goes on: `before` a job, and `after` one."""


async def _walked(
    frame: Frame, request: Request, sought: Sought, is_oldest: bool
) -> tuple[Sequence[Row[Any]], Places, str]:
    """The jobs of a page in the order in which they are shown; what is beside it; and in which of these directions more
    of this page may be, where so many others were looked at that it has ended."""
    said = request.query_params
    sweep = said.get("sweep") or None
    before, after = (number_of(said.get(name), name) for name in ("before", "after"))
    up = after is not None or (is_oldest and before is None)
    start = after if after is not None else before
    rows, stop = await frame.desk.page(reader(request), sought, Walk(start, up), LIMIT, COLUMNS, sweep)
    if start is not None and stop is None and up != is_oldest:  # back at the first page, which is to be a whole one
        up, start = is_oldest, None
        rows, stop = await frame.desk.page(reader(request), sought, Walk(None, up), LIMIT, COLUMNS, sweep)
    back = None if start is None else rows[0].id if rows else start + (1 if up else -1)
    places = {"after": stop, "before": back} if up else {"before": stop, "after": back}
    further = ("after" if up else "before") if stop is not None and len(rows) < LIMIT else ""
    return (rows if up == is_oldest else rows[::-1]), places, further


def _urls(frame: Frame, places: Places, query: Mapping[str, Any]) -> Mapping[str, str | None]:
    return {
        name: None if place is None else frame.url("/jobs", **query, **{name: place}) for name, place in places.items()
    }


def _lasted(row: Row[Any], now: float) -> float | None:
    return None if row.begun is None else (now if row.ended is None else row.ended) - row.begun
