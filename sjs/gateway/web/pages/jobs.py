"""/jobs: all of them, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import Any

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.core import lifecycle
from sjs.gateway.records.listing import Sought, Walk
from sjs.gateway.web.api import documents
from sjs.gateway.web.pages.frame import Frame, reader

LIMIT = 50
FILTERS = ("name", "spec", "target")
STATES = (lifecycle.QUEUED, lifecycle.RUNNING, *(one for one in lifecycle.FINAL if one != lifecycle.MOVED))


def routes(frame: Frame) -> list[Route]:
    async def listing(request: Request) -> Response:
        said = request.query_params
        chosen = [one for one in said.getlist("state") if one in STATES]
        filters = {name: said[name] for name in FILTERS if said.get(name)}
        name, spec, target = (filters.get(one) for one in FILTERS)
        sought = Sought(None, tuple(chosen), name, spec, target)
        shown, stop = await frame.desk.page(reader(request), sought, Walk(documents.before(said.get("cursor"))), LIMIT)
        return frame.page(
            request,
            "jobs.html",
            jobs=shown,
            lasted=[_lasted(row, time()) for row in shown],
            older=_older(frame, stop, chosen, filters),
            chosen=chosen,
            filters=filters,
            states=STATES,
        )

    return [Route("/jobs", listing, methods=["GET"])]


def _lasted(row: Row[Any], now: float) -> float | None:
    return None if row.begun is None else (now if row.ended is None else row.ended) - row.begun


def _older(frame: Frame, stop: int | None, chosen: Sequence[str], filters: dict[str, str]) -> str | None:
    if stop is None:
        return None
    return frame.url("/jobs", cursor=documents.cursor(stop), state=list(chosen) or None, **filters)
