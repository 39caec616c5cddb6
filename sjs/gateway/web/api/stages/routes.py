"""All that can be asked below /api/v1/stages."""

from __future__ import annotations

from fastapi import APIRouter

from sjs.gateway import pipelines as desk
from sjs.gateway.web.api.stages import claims, items, pipelines


def routes(asked: desk.Pipelines) -> APIRouter:
    router = APIRouter()
    for one in (pipelines.routes(asked), items.routes(asked), claims.routes(asked)):
        router.include_router(one)
    return router
