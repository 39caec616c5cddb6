"""/api/v1/stages: pipelines themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from sjs.compact import to_json
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.records.stages.values import Pipeline, Stage
from sjs.gateway.web.api.describe import JSON, answer, told
from sjs.gateway.web.api.jobs import Match
from sjs.gateway.web.api.stages import documents, models
from sjs.gateway.web.api.stages.parts import TAGS, IfMatch, IfNew, Name, Owner
from sjs.gateway.web.conditions import is_known


def stages(said: models.NewPipeline) -> list[Stage]:
    """What is meant by them."""
    return [Stage(one.name or "", one.lifetime, one.over, one.tries, one.back) for one in said.stages]


def shown(one: Pipeline, status: int = 200, match: str | None = None) -> Response:
    """The document of a pipeline, or that it is known."""
    tag = documents.pipeline_tag(one)
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if match is not None and is_known(match, tag):
        return Response(None, 304, headers)
    return Response(to_json(documents.pipeline(one)), status, headers, JSON)


def routes(pipelines: Pipelines) -> APIRouter:
    router = APIRouter(prefix="/stages", tags=["stages"])

    @router.get("", responses=answer(200, "Some pipelines.", models.Pipelines) | told(422))
    async def listing(
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63, description="`next` of the page before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=100, description="How many.")] = 50,
    ) -> Response:
        """One's own pipelines, or, for administrators, all."""
        found = await pipelines.listed(request.state.token, after, limit + 1)
        some = found[:limit]
        following = some[-1].id if len(found) > limit else None
        said = {"pipelines": [documents.pipeline(one) for one in some], "next": following}
        return Response(to_json(said), 200, None, JSON)

    made = answer(201, "It is made.", models.Pipeline, TAGS) | answer(200, "It is as was said.", models.Pipeline, TAGS)

    @router.put("/{pipeline}", responses=made | told(404, 409, 412, 422))
    async def put(
        pipeline: Name,
        said: models.NewPipeline,
        request: Request,
        owner: Owner = None,
        match: IfMatch = None,
        none: IfNew = None,
    ) -> Response:
        """Make a pipeline, or say other things of one. Its items stay where they are, so that a stage with items can
        not go; claims last as long as they were to. If-Match holds as long as nothing else was said of it, whatever has
        become of its items."""
        seen = documents.seen(match)
        found, is_new = await pipelines.define(
            request.state.token, pipeline, stages(said), owner=owner, seen=seen, is_new=none is not None
        )
        return shown(found, 201 if is_new else 200)

    known = answer(200, "The pipeline.", models.Pipeline, TAGS) | answer(304, "It is as it was.", None, TAGS)

    @router.get("/{pipeline}", responses=known | told(404, 422))
    async def get(pipeline: Name, request: Request, owner: Owner = None, match: Match = None) -> Response:
        """A pipeline, and how many items are at each of its stages."""
        return shown(await pipelines.get(request.state.token, pipeline, owner), match=match)

    @router.delete("/{pipeline}", status_code=204, responses=told(404, 422))
    async def delete(pipeline: Name, request: Request, owner: Owner = None) -> Response:
        """Forget a pipeline, with all that is in it. Who has an item of it hears of that when he is done."""
        await pipelines.delete(request.state.token, pipeline, owner)
        return Response(None, 204)

    moved = answer(200, "They are there.", models.Count)

    @router.post("/{pipeline}/requeue", responses=moved | told(404, 409, 422))
    async def requeue(pipeline: Name, said: models.Requeue, request: Request, owner: Owner = None) -> Response:
        """Put the flagged items at a stage, or all, to another one, or anew to the same: they are free there, whoever
        had them, and as if they had never been tried."""
        count = await pipelines.requeue(
            request.state.token, pipeline, said.stage, said.target, is_flagged=said.flagged, owner=owner
        )
        return Response(to_json({"count": count}), 200, None, JSON)

    return router
