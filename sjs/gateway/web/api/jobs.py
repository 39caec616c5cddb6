"""/api/v1/jobs: hand in, look, wait, end, run again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Path, Query, Request, Response
from sqlalchemy import Row

from sjs.compact import to_json
from sjs.gateway.collecting.wanted import Wanted
from sjs.gateway.desk import Desk
from sjs.gateway.identity.tokens import Token
from sjs.gateway.ordering import ANY, keeping, of_command, of_spec, rules_of
from sjs.gateway.records.jobs import New
from sjs.gateway.records.listing import Sought, Walk
from sjs.gateway.specs.spec import ArtifactRules
from sjs.gateway.waiting import awaited
from sjs.gateway.web.api import documents, models
from sjs.gateway.web.api.describe import JSON, answer, told
from sjs.gateway.web.conditions import is_known

LONGEST = 120.0
"""Seconds for which one request waits at most."""

Number = Annotated[int, Path(ge=1, lt=2**63, description="The id that the job was given.", examples=[1])]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same again under the same key hands in nothing twice.",
        examples=["5f2c1f0e"],
    ),
]
Match = Annotated[str | None, Header(alias="If-None-Match", description="The ETag of what is known already.")]
Tag = Annotated[str, Query(max_length=1_000, pattern=r"^[^=\x00-\x1f\x7f]+=[^\x00]*$", examples=["project=digits"])]
TAGS = {"ETag": "Another one whenever the document is."}


def new(desk: Desk, said: models.NewJob, environ: Mapping[str, str]) -> New:
    """What is kept of it."""
    options = said.options.model_dump(exclude_unset=True)
    if "artifacts" in said.model_fields_set:
        made = of_command(said.command or said.argv, options, said.target or ANY)
        return keeping(made, Wanted(rules_of(_rules(said.artifacts))))
    if said.spec:
        return of_spec(desk.specs.find(said.spec), said.parameters, environ, options, said.target)
    return of_command(said.command or said.argv, options, said.target or ANY)


def _rules(said: models.Keeping) -> ArtifactRules:
    told: dict[str, Any] = said.model_dump(exclude_unset=True)
    told.update((key, tuple(told[key])) for key in ("include", "exclude") if key in told)
    return ArtifactRules(**told)


def of_row(row: Row[Any], match: str | None = None) -> Response:
    """The document of a job, or that it is known."""
    tag = documents.etag(row)
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if match is not None and is_known(match, tag):
        return Response(None, 304, headers)
    return Response(documents.body(row), 200, headers, JSON)


async def submitted(
    desk: Desk, environ: Mapping[str, str], token: Token, said: models.NewJob, key: str | None
) -> Response:
    """The answer to a job that is handed in."""
    what = None if key is None else said.model_dump_json()
    taken = await desk.accept(token, [new(desk, said, environ)], "api", key, said=what)
    body = to_json({"id": taken.first, "repeated": taken.repeated})
    headers = {"location": f"/api/v1/jobs/{taken.first}"}
    return Response(body, 200 if taken.repeated else 201, headers, JSON)


def routes(desk: Desk, environ: Mapping[str, str]) -> APIRouter:
    router = APIRouter()
    _submitting(router, desk, environ)
    _looking(router, desk)
    _steering(router, desk)
    return router


def _submitting(router: APIRouter, desk: Desk, environ: Mapping[str, str]) -> None:
    where = {"Location": "Where the job is."}
    one = answer(201, "It is taken, and runs.", models.Submitted, where)
    one |= answer(200, "It had been taken under this key.", models.Submitted, where)

    @router.post("/jobs", status_code=201, tags=["jobs"], responses=one | told(404, 409, 422))
    async def submit(said: models.NewJob, request: Request, key: Key = None) -> Response:
        """Hand in a job. Once this is answered it runs, whatever becomes of the gateway."""
        return await submitted(desk, environ, request.state.token, said, key)

    many = answer(201, "They are taken, and run.", models.SubmittedJobs)
    many |= answer(200, "They had been taken under this key.", models.SubmittedJobs)

    @router.post("/batches", status_code=201, tags=["jobs"], responses=many | told(404, 409, 422))
    async def submit_many(said: models.NewJobs, request: Request, key: Key = None) -> Response:
        """Hand in many jobs: all of them, or none. Once this is answered they run, whatever becomes of the gateway."""

        def understood() -> tuple[list[New], str | None]:
            return [new(desk, job, environ) for job in said.jobs], None if key is None else said.model_dump_json()

        found, what = await asyncio.to_thread(understood)
        taken = await desk.accept(request.state.token, found, "api", key, said=what)
        ids = list(range(taken.first, taken.first + taken.count))
        return Response(to_json({"ids": ids, "repeated": taken.repeated}), 200 if taken.repeated else 201, None, JSON)


def _looking(router: APIRouter, desk: Desk) -> None:
    @router.get("/jobs", tags=["jobs"], responses=answer(200, "Some jobs.", models.Jobs) | told(422))
    async def listing(
        request: Request,
        state: Annotated[list[models.State] | None, Query(description="Only those in one of these states.")] = None,
        name: Annotated[models.Name | None, Query(description="Only those that are called so.")] = None,
        spec: Annotated[models.Name | None, Query(description="Only those of this spec.")] = None,
        target: Annotated[models.Name | None, Query(description="Only those that this target has.")] = None,
        owner: Annotated[models.Name | None, Query(description="Only those of this owner.")] = None,
        sweep: Annotated[models.Name | None, Query(description="Only those of this sweep.")] = None,
        tag: Annotated[
            list[Tag] | None,
            Query(max_length=20, description="Only those with this tag, and with each other one."),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1_000, description="How many.")] = 100,
        cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    ) -> Response:
        """Jobs, the newest first; those of others only for administrators. A page that follows has what came before,
        whatever came since. One that has less than `limit` may be followed by others, too: `next` says so."""
        tags = tuple((one.partition("=")[0], one.partition("=")[2]) for one in tag or ())
        sought = Sought(owner, tuple(cast(Sequence[str], state or ())), name, spec, target, tags)
        walk = Walk(documents.before(cursor))
        rows, stop = await desk.page(request.state.token, sought, walk, limit, sweep=sweep)
        return Response(documents.page(rows, stop), 200, None, JSON)

    known = answer(200, "The job.", models.Job, TAGS) | answer(304, "It is as it was.", None, TAGS)

    @router.get("/jobs/{number}", tags=["jobs"], responses=known | told(404, 422))
    async def get(number: Number, request: Request, match: Match = None) -> Response:
        """How it stands with a job."""
        return of_row(await desk.row(request.state.token, number), match)

    ended = answer(200, "The job, which has ended, or not.", models.Job, TAGS)

    @router.get("/jobs/{number}/wait", tags=["jobs"], responses=ended | told(404, 422))
    async def wait(
        number: Number,
        request: Request,
        timeout: Annotated[float, Query(ge=0, le=LONGEST, description="Seconds, at most.")] = 30.0,
    ) -> Response:
        """The job, once it has ended, or as it is after some time: its `state` says which."""
        return of_row(await awaited(desk, request.state.token, number, seconds=timeout))


def _steering(router: APIRouter, desk: Desk) -> None:
    changed = answer(200, "The job.", models.Job, TAGS)

    @router.post("/jobs/{number}/cancel", tags=["jobs"], responses=changed | told(404, 409, 422))
    async def cancel(number: Number, request: Request, said: models.Cancel | None = None) -> Response:
        """End a job, wherever it is. One that has ended stays as it is; one that runs is ended a little later."""
        grace = None if said is None else said.grace
        return of_row(await desk.cancel(request.state.token, number, grace))

    @router.post("/jobs/{number}/retry", tags=["jobs"], responses=changed | told(404, 409, 422))
    async def retry(number: Number, request: Request) -> Response:
        """Have a job run again that has ended: another attempt, at the target that has it."""
        return of_row(await desk.retry(request.state.token, number))
