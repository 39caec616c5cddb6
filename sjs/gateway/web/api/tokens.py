"""/api/v1/tokens: for administrators."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from sjs.compact import to_json
from sjs.errors import BadRequest, UsageError
from sjs.gateway import tokens
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import document, make, may
from sjs.gateway.web.api import models
from sjs.gateway.web.api.describe import JSON, answer, told
from sjs.values import replace

Id = Annotated[
    str, Path(pattern="^[0-9a-f]{16}$", description="The public id of a token.", examples=["0123456789abcdef"])
]


class NoToken(UsageError):
    """There is no such token."""

    code = "no_token"


def routes(desk: Desk) -> APIRouter:
    router = APIRouter(prefix="/tokens", tags=["tokens"])

    @router.get("", responses=answer(200, "All of them.", models.Tokens))
    async def listing(request: Request) -> Response:
        """The tokens that there are, also those that are good no more. Their secrets are not kept."""
        check(may(request.state.token, "admin"))
        found = await desk.read(tokens.listed)
        return Response(to_json({"tokens": [document(one) for one in found]}), 200, None, JSON)

    @router.post("", status_code=201, responses=answer(201, "The token.", models.MadeToken) | told(422))
    async def new(said: models.NewToken, request: Request) -> Response:
        """Make a token. Its secret is in this answer, and nowhere else."""
        check(may(request.state.token, "admin"))
        more = said.model_dump(exclude_unset=True, exclude={"owner", "scopes", "limits"})
        limits = replace(desk.settings.limits, **said.limits.model_dump(exclude_unset=True))
        try:
            token, shown = make(said.owner, said.scopes, time.time(), **more, limits=limits)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        await desk.written(lambda connection: tokens.add(connection, token))
        return Response(to_json({**document(token), "token": shown.reveal()}), 201, None, JSON)

    @router.delete("/{name}", status_code=204, responses=answer(204, "It is good no more.") | told(404, 422))
    async def revoke(name: Id, request: Request) -> Response:
        """From now on, or a second later, it is none."""
        check(may(request.state.token, "admin"))
        if await desk.read(lambda connection: tokens.find(connection, name)) is None:
            raise NoToken(f"there is no token {name}")
        await desk.written(lambda connection: tokens.revoke(connection, name, time.time()))
        return Response(None, 204)

    return router
