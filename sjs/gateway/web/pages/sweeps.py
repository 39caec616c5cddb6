"""/sweeps: what was tried, how it stands with it, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.core.lifecycle import BAD, FINAL, STATES, UNENDED
from sjs.core.names import suggestion
from sjs.errors import BadRequest
from sjs.gateway.outcomes import Outcomes
from sjs.gateway.records import sweeps as records
from sjs.gateway.sweeps import Sweeps
from sjs.gateway.web.api import documents, sweep_documents
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame, number_of, reader
from sjs.gateway.web.pages.tried import NOTHING, Board, View
from sjs.gateway.web.pages.tried import shown as cell
from sjs.values import dataclass, replace

LIMIT = 50
LONGEST = 200
"""Letters of what a query names."""


AIMS = (("min", "least"), ("max", "most"))
WAYS = (("", "{}, the least first"), ("-", "{}, the most first"))


@dataclass(frozen=True)
class Part:
    """Of a bar that says how much is in which state."""

    state: str
    count: int
    x: float
    width: float


def view(request: Request) -> View:
    said = request.query_params
    words = {name: said.get(name, "") for name in ("sort", "best", "state", "x", "y", "colour")}
    if any(len(one) > LONGEST for one in words.values()):
        raise BadRequest(f"the name of a column has {LONGEST} letters at most")
    if words["state"] not in ("", *STATES):
        raise BadRequest(f"there is no state {words['state']!r:.40}{suggestion(words['state'], STATES)}")
    return View(**words, start=number_of(said.get("start"), "start") or 0, owner=said.get("owner") or None)


def routes(frame: Frame, environ: Mapping[str, str]) -> list[Route]:
    pages = _Pages(frame, environ)
    return [
        Route("/sweeps", pages.listing, methods=["GET"]),
        Route("/sweeps/{name}", pages.one, methods=["GET"]),
        Route("/sweeps/{name}", pages.steer, methods=["POST"]),
        Route("/sweeps/{name}/results.csv", pages.table, methods=["GET"]),
    ]


class _Pages:
    def __init__(self, frame: Frame, environ: Mapping[str, str]) -> None:
        self._frame = frame
        self._every = Sweeps(frame.desk, environ)
        self._outcomes = Outcomes(frame.desk)
        self._board = Board(frame, self._outcomes)

    async def listing(self, request: Request) -> Response:
        token = reader(request)
        found = await self._every.page(token, documents.before(request.query_params.get("cursor")), LIMIT + 1)
        shown = found[:LIMIT]
        older = None
        if len(found) > LIMIT:
            older = self._frame.url("/sweeps", cursor=documents.cursor(shown[-1].id))
        return self._frame.page(
            request,
            "sweeps.html",
            sweeps=[(row, parts(row), records.counts(row)) for row in shown],
            links=[self._url(row.name, None if row.owner == token.owner else row.owner) for row in shown],
            older=older,
        )

    async def one(self, request: Request) -> Response:
        wanted = view(request)
        row = await self._every.get(reader(request), request.path_params["name"], wanted.owner)
        wanted = replace(wanted, best=wanted.best or row.metric or "")
        shown = await self._board.of(row, wanted)
        counts = records.counts(row)

        def here(**other: Any) -> str:
            return self._frame.url(f"/sweeps/{row.name}", **wanted.query(**other))

        return self._frame.page(
            request,
            "sweep.html",
            sweep=row,
            shown=shown,
            found=shown.found,
            view=wanted,
            here_with=here,
            cell=cell,
            bars=parts(row),
            counts=counts,
            is_over=not counts.keys() & set(UNENDED),
            has_failed=bool(counts.keys() & set(BAD)),
            nothing=NOTHING if row.metric else "",
            course=course(row),
            axes=[(name, name) for name in shown.names],
            aims=[(f"{which}:{name}", f"the {word} {name}") for name in shown.metrics for which, word in AIMS],
            sorts=[("", "the best" if wanted.aim else "number"), *_sorts(shown.names)],
            states=[(one, one) for one in STATES if one in counts],
        )

    async def table(self, request: Request) -> Response:
        """All of it, in the order of the page, as CSV."""
        wanted = view(request)
        row = await self._every.get(reader(request), request.path_params["name"], wanted.owner)
        wanted = replace(wanted, best=wanted.best or row.metric or "")
        found = await self._outcomes.of(row, wanted.order, wanted.states)
        headers = {"content-disposition": f'attachment; filename="{row.name}.csv"', "cache-control": "no-store"}
        return Response(await asyncio.to_thread(sweep_documents.table, found), 200, headers, "text/csv; charset=utf-8")

    async def steer(self, request: Request) -> Response:
        """End it, or have run again what failed of it."""
        said = await forms.posted(request, self._frame.desk.link_keys)
        name, owner = request.path_params["name"], said.get("owner") or None
        if said.get("what") == "cancel":
            await self._every.cancel(reader(request), name, owner)
        elif said.get("what") == "retry":
            await self._every.retry(reader(request), name, owner)
        else:
            raise BadRequest("a sweep is cancelled, or retried")
        return RedirectResponse(self._url(name, owner), 303)

    def _url(self, name: str, owner: str | None) -> str:
        return self._frame.url(f"/sweeps/{name}", owner=owner)


def course(row: Row[Any]) -> Sequence[str]:
    """In words, how it goes on."""
    return [
        *([f"It has {row.most} jobs at a time."] if row.most is not None else []),
        *([f"No more begin after {_failures(row.failures)}."] if row.failures is not None else []),
        *([f"Who is behind by {row.rule} is ended."] if row.rule is not None else []),
    ]


def _failures(said: str) -> str:
    return "1 failure" if said == "1" else f"{said} failures" if said.isdecimal() else f"failures of {said}"


def parts(row: Row[Any]) -> Sequence[Part]:
    """A bar of 100, by states: those that have ended first."""
    counts = records.counts(row)
    total = max(1, row.last - row.first + 1)
    found, x = [], 0.0
    for state in (*reversed(FINAL), *(one for one in reversed(STATES) if one not in FINAL)):
        if state in counts:
            width = 100 * counts[state] / total
            found.append(Part(state, counts[state], round(x, 3), round(width, 3)))
            x += width
    return found


def _sorts(names: Sequence[str]) -> Sequence[tuple[str, str]]:
    return [(mark + name, text.format(name)) for name in ("state", "time", *names) for mark, text in WAYS]
