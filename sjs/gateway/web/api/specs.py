"""/api/v1/specs: which job specs there are, and what they take."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from sjs.compact import to_json
from sjs.errors import ConfigError
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import Token, may
from sjs.gateway.specs.folder import NoSpec
from sjs.gateway.specs.schema import schema
from sjs.gateway.specs.spec import JobSpec
from sjs.gateway.web.api import models
from sjs.gateway.web.api.describe import JSON, PRINTABLE, answer, told

Name = Annotated[
    str, Path(min_length=1, max_length=100, pattern=PRINTABLE, description="The name of a spec.", examples=["train"])
]


def document(name: str, found: JobSpec | ConfigError) -> dict[str, Any]:
    """A spec as JSON has it; one that is wrong says why, and with which line of its file."""
    if isinstance(found, ConfigError):
        nothing: dict[str, Any] = {"description": "", "target": None, "parameters": None, "notes": [], "digest": None}
        return {"name": name, "error": str(found), **nothing}
    return {
        "name": name,
        "error": None,
        "description": found.description,
        "target": found.target,
        "parameters": schema(found),
        "notes": list(found.notes),
        "digest": found.digest,
    }


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/specs", tags=["specs"])

    def found(name: str) -> JobSpec | ConfigError:
        try:
            return desk.specs.find(name)
        except ConfigError as error:
            return error

    @router.get("", responses=answer(200, "All that this token may use.", models.Specs))
    async def listing(request: Request) -> Response:
        """The job specs that there are, the wrong ones, too."""
        token: Token = request.state.token
        check(may(token, "read"))
        every = await asyncio.to_thread(lambda: list(desk.specs.listing()))
        shown = [document(name, one) for name, one in every if token.specs is None or name in token.specs]
        return Response(to_json({"specs": shown}), 200, None, JSON)

    @router.get("/{name}", responses=answer(200, "The spec.", models.Spec) | told(404, 422))
    async def get(name: Name, request: Request) -> Response:
        """What a spec takes: its parameters as JSON Schema."""
        token: Token = request.state.token
        check(may(token, "read"))
        if token.specs is not None and name not in token.specs:
            raise NoSpec(f"there is no spec {name!r:.100}")
        return Response(to_json(document(name, await asyncio.to_thread(found, name))), 200, None, JSON)

    return router
