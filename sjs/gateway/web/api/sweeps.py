"""/api/v1/sweeps: hand in a command or a spec for many settings, look at all of it, end it, run again what failed, and
what came out. Its jobs are those of /api/v1/jobs?sweep=NAME: there is one list of jobs, and whatever can be asked of it
can be asked of those of a sweep."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Row

from sjs.compact import to_json
from sjs.core.aims import parse
from sjs.core.lifecycle import BAD
from sjs.gateway.desk import Desk
from sjs.gateway.outcomes import Outcomes
from sjs.gateway.sweeps import Sweeps
from sjs.gateway.unfolding import MOST, Course, Wish
from sjs.gateway.web.api import documents, models, sweep_documents, sweep_models
from sjs.gateway.web.api.describe import JSON, Answers, answer, told
from sjs.gateway.web.api.jobs import Key, Match
from sjs.gateway.web.conditions import is_known, prefers
from sjs.results.table import Order

CSV = "text/csv"

Name = Annotated[
    str,
    Path(pattern=sweep_models.NAME, description="The name of a sweep.", examples=["tune"]),
]
Owner = Annotated[
    str | None,
    Query(min_length=1, max_length=100, description="Whose, if not one's own; for administrators.", examples=["ann"]),
]
TAGS = {"ETag": "Another one whenever the document is."}
SHOWN = answer(200, "The sweep.", sweep_models.WholeSweep, TAGS)


def wish(desk: Desk, said: sweep_models.NewSweep) -> Wish:
    """What is asked for."""
    return Wish(
        command=said.command or said.argv,
        spec=desk.specs.find(said.spec) if said.spec else None,
        parameters=said.parameters,
        rows=said.rows,
        samples=said.samples,
        seed=said.seed,
        name=said.name,
        options=said.options.model_dump(exclude_unset=True),
        word=said.target,
        course=Course(
            metric=said.metric,
            max_running=said.max_running,
            stop_after_failures=None if said.stop_after_failures is None else str(said.stop_after_failures),
            stop_rule=said.stop_rule,
        ),
    )


def of_row(row: Row[Any], match: str | None = None) -> Response:
    """The document of a sweep, or that it is known."""
    body = sweep_documents.whole(row)
    headers = {"etag": sweep_documents.etag(body), "cache-control": "private, no-cache"}
    if match is not None and is_known(match, headers["etag"]):
        return Response(None, 304, headers)
    return Response(body, 200, headers, JSON)


def routes(desk: Desk, environ: Mapping[str, str]) -> APIRouter:
    router = APIRouter(prefix="/sweeps", tags=["sweeps"])
    every = Sweeps(desk, environ)
    _submitting(router, desk, every)
    _looking(router, every)
    _steering(router, every)
    _results(router, every, Outcomes(desk))
    return router


def _submitting(router: APIRouter, desk: Desk, every: Sweeps) -> None:
    where = {"Location": "Where the sweep is."}
    taken = answer(201, "It is taken, and runs.", sweep_models.SubmittedSweep, where)
    taken |= answer(200, "It had been taken under this key.", sweep_models.SubmittedSweep, where)

    @router.post("", status_code=201, responses=taken | told(404, 422, s409="There is a sweep of this name already."))
    async def submit(said: sweep_models.NewSweep, request: Request, key: Key = None) -> Response:
        """Hand in a sweep: all of its jobs, or none. Once this is answered they run, whatever becomes of the
        gateway."""
        text = said.model_dump_json(exclude_unset=True)
        found, kept = await every.make(request.state.token, lambda: wish(desk, said), text, key)
        body = {"name": found.name, "settings": kept.count, "repeated": kept.repeated, "notes": list(found.notes)}
        headers = {"location": f"/api/v1/sweeps/{found.name}"}
        return Response(to_json(body), 200 if kept.repeated else 201, headers, JSON)


def _looking(router: APIRouter, every: Sweeps) -> None:
    @router.get("", responses=answer(200, "Some sweeps.", sweep_models.Sweeps) | told(422))
    async def listing(
        request: Request,
        owner: Owner = None,
        limit: Annotated[int, Query(ge=1, le=1_000, description="How many.")] = 100,
        cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    ) -> Response:
        """Sweeps, the newest first; those of others only for administrators."""
        rows = await every.page(request.state.token, documents.before(cursor), limit + 1, owner)
        return Response(sweep_documents.page(rows, limit), 200, None, JSON)

    known = SHOWN | answer(304, "It is as it was.", None, TAGS)

    @router.get("/{name}", responses=known | told(404, 422))
    async def get(name: Name, request: Request, owner: Owner = None, match: Match = None) -> Response:
        """How it stands with a sweep."""
        return of_row(await every.get(request.state.token, name, owner), match)


def _steering(router: APIRouter, every: Sweeps) -> None:
    @router.post("/{name}/cancel", responses=SHOWN | told(404, 409, 422))
    async def cancel(name: Name, request: Request, owner: Owner = None, said: models.Cancel | None = None) -> Response:
        """End all of its jobs that have not ended, wherever they are; those that run, a little later."""
        grace = None if said is None else said.grace
        return of_row(await every.cancel(request.state.token, name, owner, grace))

    @router.post("/{name}/retry", responses=SHOWN | told(404, 409, 422))
    async def retry(
        name: Name, request: Request, owner: Owner = None, said: sweep_models.RetryOf | None = None
    ) -> Response:
        """Have those of its jobs run again that went wrong, or that have ended otherwise, each where it was."""
        states = BAD if said is None else cast(Sequence[str], said.states)
        return of_row(await every.retry(request.state.token, name, owner, states))


def _results(router: APIRouter, every: Sweeps, outcomes: Outcomes) -> None:
    @router.get("/{name}/results", responses=_tables() | told(404, 422))
    async def results(
        name: Name,
        request: Request,
        owner: Owner = None,
        best: Annotated[
            str | None,
            Query(
                max_length=200,
                pattern=r"^(min|max):.",
                description="Which is best, first; else by the sweep's own `metric`.",
                examples=["min:loss"],
            ),
        ] = None,
        sort: Annotated[
            str | None,
            Query(
                max_length=200,
                pattern=r"^-?[^-]",
                description="By this parameter or metric, or by number, state or time; the least first, with a dash "
                "before the most. Those without a value come last.",
                examples=["-acc"],
            ),
        ] = None,
        state: Annotated[list[models.State] | None, Query(description="Only those in one of these states.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST, description="How many.")] = 1_000,
    ) -> Response:
        """The table of its settings, with their states and the numbers that their jobs have printed: CSV, where
        `Accept` says text/csv. What jobs print is read where it lies, for some seconds at most, and kept once they have
        ended."""
        row = await every.get(request.state.token, name, owner)
        key = sort or ""
        aim = best or row.metric
        order = Order(None if aim is None else parse(aim), key.removeprefix("-"), key.startswith("-"), limit)
        found = await outcomes.of(row, order, cast(Sequence[str], state or ()))
        headers = {"vary": "accept", "cache-control": "private, no-cache"}
        if prefers(request.headers.get("accept", ""), (JSON, CSV)) == CSV:
            headers["content-disposition"] = f'attachment; filename="{row.name}.csv"'
            body = await asyncio.to_thread(sweep_documents.table, found)
            return Response(body, 200, headers, f"{CSV}; charset=utf-8")
        return Response(await asyncio.to_thread(sweep_documents.results, row.name, found), 200, headers, JSON)


def _tables() -> Answers:
    found = answer(200, "The table.", sweep_models.Results)
    found[200]["content"] = {CSV: {"schema": {"type": "string"}}}
    return found
