"""How the gateway itself is: alive, ready, and in numbers. The first two tell nobody more than that."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from sqlalchemy import Connection, func, select
from starlette.routing import Route

from sjs import __version__
from sjs.answers import Status
from sjs.compact import to_json
from sjs.errors import SjsError
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.guard import Guard, Scope
from sjs.gateway.identity.tokens import may
from sjs.gateway.metrics import JOBS, REQUESTS, Counter, Histogram, gauge
from sjs.gateway.records import sweeps
from sjs.gateway.records.events import span
from sjs.gateway.records.jobs import ENDED
from sjs.gateway.records.stages.looking import standing
from sjs.gateway.records.tables import events, jobs

READY, METRICS = 5.0, 10.0
"""Seconds that the records, or the machines, may take to answer; who does not in time is as if he were away."""

MOST_STAGES = 1_000
"""Of all pipelines, the oldest first, that are told of: what reads numbers takes no more."""

KEEPS = 1.0
"""Seconds for which it is known whether it is ready: everybody may ask that."""

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Seen(NamedTuple):
    """What the records say: jobs by state, items by stage, and the jobs that have ended since the last look."""

    states: dict[str, int]
    stages: Sequence[tuple[dict[str, str], int]]
    ended: Sequence[Any]
    last: int
    sweeps: int = 0


class Numbers:
    """What is counted while it runs. `done` is for the guards of all places."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._requests = Histogram(
            "sjs_request_seconds", "Time to the end of an answer.", REQUESTS, ("route", "method", "status")
        )
        self._ends = Counter("sjs_jobs_ended_total", "Jobs that have ended.", ("state", "reason"))
        self._times = Histogram("sjs_job_seconds", "From the start of jobs to their end.", JOBS, ("state",))
        self._last: int | None = None
        self._looks = asyncio.Lock()
        self.guards: list[Guard] = []

    def done(self, scope: Scope, status: int, seconds: float) -> None:
        """A request is over."""
        self._requests.add(seconds, (route_of(scope), _METHODS.get(scope["method"], "other"), str(status)))

    async def text(self) -> str:
        """All of it."""
        async with self._looks:
            seen = await self._desk.read(lambda connection: look(connection, self._last))
            self._last = seen.last
            for row in seen.ended:
                self._ends.add((row.state, row.reason))
                if row.begun is not None and row.ended is not None:
                    self._times.add(max(0.0, row.ended - row.begun), (row.state,))
            reports = await self._reports()
        return "\n".join([*self._lines(seen, reports), ""])

    async def _reports(self) -> dict[str, Status | None]:
        names = [one.name for one in self._desk.config.everyone]

        async def ask(name: str) -> Status | None:
            try:
                asked = self._desk.questions.ask(name, lambda: self._desk.office.report(name))
                return await asyncio.wait_for(asked, METRICS)
            except (SjsError, asyncio.TimeoutError):
                return None  # which is a number, too

        return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))

    def _lines(self, seen: Seen, reports: dict[str, Status | None]) -> Iterator[str]:
        version = {"version": __version__, "python": platform.python_version()}
        yield from gauge("sjs_build_info", "What runs.", [(version, 1)])
        states = [({"state": state}, count) for state, count in sorted(seen.states.items())]
        yield from gauge("sjs_jobs", "Jobs in the records.", states)
        yield from gauge("sjs_sweeps", "Sweeps in the records.", [({}, seen.sweeps)])
        yield from self._ends.text()
        yield from self._times.text()
        up = [({"target": name}, float(one is not None)) for name, one in reports.items()]
        yield from gauge("sjs_target_up", "Whether a target answers.", up)
        for word, about, of in _OF_TARGETS:
            found = [({"target": name}, of(one)) for name, one in reports.items() if one is not None]
            yield from gauge(f"sjs_target_{word}", about, found)
        yield from gauge("sjs_items", "Items at stages, some of them claimed or flagged.", seen.stages)
        yield from _counted("sjs_item_steps_total", "What was done with items.", "what", self._desk.steps)
        yield from self._requests.text()
        yield from gauge("sjs_requests_open", "Requests.", [({}, sum(one.open for one in self.guards))])
        yield from gauge("sjs_streams_open", "Streams of events.", [({}, sum(one.streams for one in self.guards))])
        writer = self._desk.write
        for name, about, count in (
            ("sjs_writes_total", "Works that were written.", writer.works),
            ("sjs_transactions_total", "Transactions that they took.", writer.transactions),
        ):
            counter = Counter(name, about)
            counter.add(count=count)
            yield from counter.text()


_METHODS = {name: name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}

_LOOKS = ["GET", "HEAD"]
"""Who only wants to know whether it is well may ask so: balancers do."""

_OF_TARGETS: Sequence[tuple[str, str, Callable[[Status], float]]] = (
    ("running", "Jobs that run there.", lambda one: one.report.running),
    ("slots", "Jobs that may run there.", lambda one: one.report.max_running),
    ("queued", "Jobs that wait there.", lambda one: one.report.queued),
)


def look(connection: Connection, last: int | None) -> Seen:
    """What there is, and what has ended after that event; the first look is only for where to begin."""
    states = {row[0]: row[1] for row in connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))}
    stages = [
        ({"owner": owner, "pipeline": name, "stage": str(at), "state": state}, count)
        for owner, name, at, total, claimed, flagged in standing(connection, MOST_STAGES)
        for state, count in (("all", total), ("claimed", claimed), ("flagged", flagged))
    ]
    newest, there = span(connection)[1], sweeps.count(connection)
    if last is None:
        return Seen(states, stages, (), newest, there)
    found = (
        select(jobs.c.state, jobs.c.reason, jobs.c.begun, jobs.c.ended)
        .join(events, events.c.job == jobs.c.id)
        .where(events.c.seq > last, events.c.seq <= newest, events.c.kind == ENDED)
    )
    return Seen(states, stages, connection.execute(found).all(), newest, there)


def _counted(name: str, about: str, label: str, counts: Mapping[str, int]) -> Iterator[str]:
    counter = Counter(name, about, (label,))
    for word, count in dict(counts).items():
        counter.add((word,), count)
    return counter.text()


def route_of(scope: Scope) -> str:
    """The path as the document of the API has it, so that there are not as many as there are jobs; of what is mounted,
    where. A route knows only its part of it, from the router's prefix on."""
    if "path" in scope["state"]:
        return str(scope["state"]["path"])
    route = scope.get("route")
    if not isinstance(route, Route):
        return scope.get("root_path") or "other"
    parts, known = scope["path"].split("/"), route.path.split("/")[1:]
    return "/".join([*parts[: len(parts) - len(known)], *known])


def install(app: FastAPI, desk: Desk, numbers: Numbers) -> None:
    """Have the application answer so. None of it is in the document of the API."""
    known = Readiness(desk)

    @app.api_route("/healthz", methods=_LOOKS, include_in_schema=False)
    async def alive() -> Response:
        return Response(to_json({"status": "alive"}), 200, media_type="application/json")

    @app.api_route("/readyz", methods=_LOOKS, include_in_schema=False)
    async def ready() -> Response:
        status = "ready" if await known.is_ready() else "not ready"
        return Response(to_json({"status": status}), 200 if status == "ready" else 503, media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        check(may(request.state.token, "metrics"))
        return Response(await numbers.text(), 200, media_type=TEXT)


class Readiness:
    """Whether the records answer; asked once for all who want to know within a moment."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._until = 0.0
        self._is_ready = False
        self._looks = asyncio.Lock()

    async def is_ready(self) -> bool:
        async with self._looks:
            if monotonic() >= self._until:
                self._is_ready = await self._answers()
                self._until = monotonic() + KEEPS
            return self._is_ready

    async def _answers(self) -> bool:
        try:
            await asyncio.wait_for(self._desk.read(lambda connection: connection.scalar(select(1))), READY)
        except (SjsError, asyncio.TimeoutError):
            return False
        return True
