"""/api/v1/targets: who there is, and how they are."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from sjs.answers import Status
from sjs.compact import to_json
from sjs.errors import SjsError
from sjs.gateway.desk import Desk, check
from sjs.gateway.identity.tokens import Token, may, reachable
from sjs.gateway.inquiries import Inquiries, NoTarget
from sjs.gateway.web.api import models
from sjs.gateway.web.api.describe import JSON, PRINTABLE, answer, told

Name = Annotated[
    str, Path(min_length=1, max_length=255, pattern=PRINTABLE, description="The name of a target.", examples=["gpu1"])
]


def document(name: str, found: Status | SjsError) -> dict[str, Any]:
    """A target as JSON has it."""
    if isinstance(found, SjsError):
        nothing = dict.fromkeys(("slots", "running", "queued", "load", "mem_free", "version"))
        return {"name": name, "state": "unreachable", "reason": found.message, **nothing}
    report = found.report
    state = "paused" if found.paused else "drained" if found.drained else "ready"
    return {
        "name": name,
        "state": state,
        "reason": found.trouble or None,
        "slots": report.max_running,
        "running": report.running,
        "queued": report.queued,
        "load": found.load,
        "mem_free": found.mem_free,
        "version": found.version,
    }


def routes(desk: Desk, inquiries: Inquiries) -> APIRouter:
    router = APIRouter(prefix="/targets", tags=["targets"])

    def usable(token: Token) -> list[str]:
        check(may(token, "read"))
        return reachable(token, [one.name for one in desk.config.everyone])

    @router.get("", responses=answer(200, "All that this token may use.", models.Targets))
    async def listing(request: Request) -> Response:
        """How they are, all asked at once; who has not answered within a few seconds is unreachable."""
        names = usable(request.state.token)
        found = await asyncio.gather(*(inquiries.status(name) for name in names))
        every = [document(name, one) for name, one in zip(names, found, strict=True)]
        return Response(to_json({"targets": every}), 200, None, JSON)

    @router.get("/{name}", responses=answer(200, "The target.", models.Target) | told(404, 422))
    async def get(name: Name, request: Request) -> Response:
        """How it is."""
        if name not in usable(request.state.token):
            raise NoTarget(f"there is no target {name!r:.100}")
        return Response(to_json(document(name, await inquiries.status(name))), 200, None, JSON)

    return router
