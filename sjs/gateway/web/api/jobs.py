"""/api/v1/jobs: hand in, look, end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sjs.compact import to_json
from sjs.gateway.desk import Desk
from sjs.gateway.ordering import ANY, of_command, of_spec
from sjs.gateway.records.jobs import New
from sjs.gateway.web.api import documents

Number = Annotated[int, Path(ge=1, lt=2**63, description="The id that the job was given.")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same again under the same key hands in nothing twice.",
    ),
]

Match = Annotated[str | None, Header(alias="If-None-Match", description="The ETag of what is known already.")]


class NewJob(BaseModel):
    """A job to hand in: one of `command`, `argv` and `spec`."""

    model_config = ConfigDict(extra="forbid")

    command: str | None = Field(None, min_length=1, max_length=131_071, description="Text for /bin/sh.")
    argv: list[str] | None = Field(None, min_length=1, max_length=10_000, description="Words; no shell sees them.")
    spec: str | None = Field(None, min_length=1, max_length=100, description="The name of a job spec.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="What is said to the spec.")
    target: str | None = Field(None, min_length=1, max_length=255, description="any, gpu1, @group, any:@group")
    options: dict[str, Any] = Field(default_factory=dict, description="As `submit job --help` names them.")

    @model_validator(mode="after")
    def one_of_three(self) -> NewJob:
        if [self.command, self.argv, self.spec].count(None) != 2:
            raise ValueError("a job has one of command, argv and spec")
        if self.parameters and self.spec is None:
            raise ValueError("parameters are for a spec")
        return self


def new(desk: Desk, said: NewJob, environ: Mapping[str, str]) -> New:
    """What is kept of it."""
    if said.spec is not None:
        found = desk.specs.find(said.spec)
        return of_spec(found, said.parameters, environ, said.options, said.target or "")
    return of_command(said.command or said.argv or "", said.options, said.target or ANY)


def routes(desk: Desk, environ: Mapping[str, str]) -> APIRouter:
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.post("", status_code=201)
    async def submit(said: NewJob, request: Request, key: Key = None) -> Response:
        """Hand in a job. Once this is answered it runs, whatever becomes of the gateway."""
        taken = await desk.accept(request.state.token, [new(desk, said, environ)], "api", key)
        body = to_json({"id": taken.first, "repeated": taken.repeated})
        where = {"location": f"/api/v1/jobs/{taken.first}"}
        return Response(body, 200 if taken.repeated else 201, where, "application/json")

    @router.get("/{number}")
    async def get(number: Number, request: Request, match: Match = None) -> Response:
        """How it stands with a job."""
        row = await desk.row(request.state.token, number)
        tag = documents.etag(row)
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if match is not None and tag in match:
            return Response(None, 304, headers)
        return Response(documents.body(row), 200, headers, "application/json")

    @router.post("/{number}/cancel")
    async def cancel(number: Number, request: Request) -> Response:
        """End a job, wherever it is."""
        row = await desk.cancel(request.state.token, number)
        return Response(documents.body(row), 200, {"etag": documents.etag(row)}, "application/json")

    return router
