"""/sweeps: what was tried, how it stands with it, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.core.aims import Aim, parse
from sjs.core.lifecycle import BAD, FINAL, STATES, UNENDED
from sjs.core.names import suggestion
from sjs.errors import BadRequest
from sjs.gateway.outcomes import Outcome, Outcomes
from sjs.gateway.records import sweeps as records
from sjs.gateway.sweeps import Sweeps
from sjs.gateway.web.api import documents, sweep_documents
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame, reader
from sjs.gateway.web.pages.plots import scales
from sjs.gateway.web.pages.plots.parallel import AXES, Parallel, Setting, parallel
from sjs.gateway.web.pages.plots.parallel import MOST as MOST_LINES
from sjs.gateway.web.pages.plots.sampling import sample
from sjs.gateway.web.pages.plots.scatter import Dot, Scatter, scatter
from sjs.results.rows import Row as Result
from sjs.results.table import Order, cell
from sjs.results.table import shown as figure
from sjs.values import dataclass, replace

LIMIT = 50
ROWS = 100
"""Settings on a page."""

COLUMNS = 16
"""Metrics that are shown; the table to fetch has all."""

PATIENCE = 0.7
"""Seconds that a page waits for what jobs have printed; the page that follows has the rest."""

LONGEST = 200
"""Letters of what a query names."""

NOTHING = "none"
"""In place of what is best, where a sweep has a metric of its own and somebody wants none."""

AIMS = (("min", "least"), ("max", "most"))
WAYS = (("", "{}, the least first"), ("-", "{}, the most first"))


@dataclass(frozen=True)
class Part:
    """Of a bar that says how much is in which state."""

    state: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class View:
    """How a reader wants to see a sweep: what its query says."""

    sort: str = ""
    best: str = ""
    state: str = ""
    x: str = ""
    y: str = ""
    colour: str = ""
    start: int = 0
    owner: str | None = None

    @property
    def aim(self) -> Aim | None:
        return parse(self.best) if self.best not in ("", NOTHING) else None

    @property
    def order(self) -> Order:
        return Order(self.aim, self.sort.removeprefix("-"), self.sort.startswith("-"))

    def query(self, **other: Any) -> Mapping[str, Any]:
        """What leads to the same view, but for this."""
        said = {**vars(self), **other}
        return {name: value for name, value in said.items() if value}


def view(request: Request) -> View:
    said = request.query_params
    words = {name: said.get(name, "") for name in ("sort", "best", "state", "x", "y", "colour")}
    if any(len(one) > LONGEST for one in words.values()):
        raise BadRequest(f"the name of a column has {LONGEST} letters at most")
    if words["state"] not in ("", *STATES):
        raise BadRequest(f"there is no state {words['state']!r:.40}{suggestion(words['state'], STATES)}")
    start = said.get("start") or "0"
    if not (start.isascii() and start.isdecimal() and len(start) < 9):
        raise BadRequest("start is a whole number")
    return View(**words, start=int(start), owner=said.get("owner") or None)


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
        states = [wanted.state] if wanted.state else []
        found = await self._outcomes.of(row, wanted.order, states, PATIENCE)
        metrics = found.columns.metrics[:COLUMNS]
        names = [*found.columns.parameters, *metrics]
        picture = await asyncio.to_thread(_scatter, found, wanted)
        lines = await asyncio.to_thread(_parallel, found, wanted)
        shown = found.rows[wanted.start : wanted.start + ROWS]
        counts = records.counts(row)

        def here(**other: Any) -> str:
            return self._frame.url(f"/sweeps/{row.name}", **wanted.query(**other))

        return self._frame.page(
            request,
            "sweep.html",
            sweep=row,
            found=found,
            view=wanted,
            here_with=here,
            cell=_cell,
            bars=parts(row),
            counts=counts,
            is_over=not counts.keys() & set(UNENDED),
            has_failed=bool(counts.keys() & set(BAD)),
            names=names,
            more_metrics=len(found.columns.metrics) - len(metrics),
            rows=[(one, [_cell(one, name) for name in names]) for one in shown],
            stop=min(wanted.start + ROWS, len(found.rows)),
            is_number={name: _is_number(shown, name) for name in names},
            picture=picture,
            lines=lines,
            axes=[(name, name) for name in names],
            nothing=NOTHING if row.metric else "",
            course=course(row),
            aims=[(f"{which}:{name}", f"the {word} {name}") for name in metrics for which, word in AIMS],
            sorts=[("", "the best" if wanted.aim else "number"), *_sorts(names)],
            states=[(one, one) for one in STATES if one in counts],
            rows_each=ROWS,
        )

    async def table(self, request: Request) -> Response:
        """All of it, in the order of the page, as CSV."""
        wanted = view(request)
        row = await self._every.get(reader(request), request.path_params["name"], wanted.owner)
        wanted = replace(wanted, best=wanted.best or row.metric or "")
        found = await self._outcomes.of(row, wanted.order, [wanted.state] if wanted.state else [])
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


def _some(found: Outcome, most: int) -> tuple[Sequence[Result], int]:
    """Of the settings that have numbers those that are drawn, and how many are left."""
    there = [one for one in found.rows if one.metrics]
    some = sample(there, most, lambda one: one is found.best)
    return some, len(there) - len(some)


def _scatter(found: Outcome, wanted: View) -> Scatter | None:
    """None where there is nothing that could be drawn."""
    names = [*found.columns.parameters, *found.columns.metrics]
    if not found.columns.metrics:
        return None
    metric = wanted.aim.metric if wanted.aim is not None else found.columns.metrics[0]
    tried = [one for one in found.columns.parameters if _varies(found.rows, one)]
    x, y, colour = wanted.x or [*tried, *names][0], wanted.y or metric, wanted.colour or [*tried[1:], metric][0]
    dots = [Dot(one.job, _value(one, x), _value(one, y), _value(one, colour), one is found.best) for one in found.rows]
    return scatter(dots, x, y, colour)


def _parallel(found: Outcome, wanted: View) -> Parallel | None:
    """The same by all parameters of which there are several values, and the metrics."""
    tried = [one for one in found.columns.parameters if _varies(found.rows, one)]
    if not tried or not found.columns.metrics:
        return None
    metric = wanted.aim.metric if wanted.aim is not None else found.columns.metrics[0]
    metrics = [metric, *(one for one in found.columns.metrics if one != metric)]
    names = [*tried[: AXES - 1], *metrics][:AXES]
    some, left = _some(found, MOST_LINES)
    settings = [Setting(one.job, {name: _value(one, name) for name in names}, one is found.best) for one in some]
    return parallel(settings, names, metric, left)


def _value(one: Result, name: str) -> scales.Value:
    return scales.value(cell(one, name))


def _varies(rows: Sequence[Result], name: str) -> bool:
    return len({one.values.get(name) for one in rows}) > 1


def _cell(one: Result, name: str) -> str:
    found = cell(one, name)
    return "" if found is None else found if isinstance(found, str) else figure(found)


def _is_number(rows: Sequence[Result], name: str) -> bool:
    return all(not isinstance(_value(one, name), str) for one in rows)


def _sorts(names: Sequence[str]) -> Sequence[tuple[str, str]]:
    return [(mark + name, text.format(name)) for name in ("state", "time", *names) for mark, text in WAYS]
