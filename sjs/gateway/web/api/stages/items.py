"""/api/v1/stages/PIPELINE/items: what goes through stages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from sjs.compact import to_json
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.records.stages.looking import Rows, Which
from sjs.gateway.records.stages.values import MOST_NUMBER
from sjs.gateway.web.api.describe import JSON, Answers, answer, told
from sjs.gateway.web.api.jobs import Key, Match
from sjs.gateway.web.api.stages import documents, incoming, models
from sjs.gateway.web.api.stages.parts import TAGS, IfMatch, Name, Number, Owner, StageOf, stage_of
from sjs.gateway.web.conditions import is_known

PAGE = 200
"""Items that are read at once for who wants all."""

After = Annotated[int, Query(ge=-1, le=MOST_NUMBER, description="From behind this number on.")]
Flagged = Annotated[bool | None, Query(description="Only those that are flagged, or that are not.")]


def shown(found: tuple[Row[Any], Sequence[Row[Any]]], match: str | None = None) -> Response:
    """The document of an item, or that it is known."""
    row, steps = found
    tag = documents.item_tag(documents.seen_of(row))
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if match is not None and is_known(match, tag):
        return Response(None, 304, headers)
    history = [dict(one._mapping) for one in steps]
    return Response(documents.item(row, history=history), 200, headers, JSON)


def routes(pipelines: Pipelines) -> APIRouter:
    router = APIRouter(prefix="/stages/{pipeline}", tags=["stages"])
    _adding(router, pipelines)
    _looking(router, pipelines)
    _changing(router, pipelines)
    return router


def _adding(router: APIRouter, pipelines: Pipelines) -> None:
    added = answer(201, "They are taken in.", models.Added)
    added |= answer(200, "Nothing of that was new.", models.Added)

    @router.post(
        "/items",
        status_code=201,
        responses=added | told(404, 409, 422),
        openapi_extra={"requestBody": incoming.request_body()},
    )
    async def add(pipeline: Name, request: Request, owner: Owner = None, key: Key = None) -> Response:
        """Take in items: all of them, or none. Those whose number is there already are as they were, so that who was
        not answered asks again; for items without numbers a key does that."""
        body = await request.body()
        new = await asyncio.to_thread(incoming.understood, request.headers.get("content-type", ""), body)
        digest = sha256(b"stages\0" + pipeline.encode() + b"\0" + body).hexdigest()
        found = await pipelines.add(request.state.token, pipeline, new, key=key, digest=digest, owner=owner)
        status = 201 if found.count and not found.repeated else 200
        return Response(to_json({**vars(found), "skipped": list(found.skipped)}), status, None, JSON)


def _looking(router: APIRouter, pipelines: Pipelines) -> None:
    @router.get("/items", responses=answer(200, "Some items.", models.Items) | told(404, 422))
    async def listing(
        pipeline: Name,
        request: Request,
        stage: StageOf = None,
        flagged: Flagged = None,
        worker: Annotated[models.Worker | None, Query(description="Only those that this one has.")] = None,
        state: Annotated[models.State | None, Query(description="Only those.")] = None,
        after: After = -1,
        limit: Annotated[int, Query(ge=1, le=1_000, description="How many; fewer, where they are long.")] = 100,
        owner: Owner = None,
    ) -> Response:
        """Items, the lowest numbers first."""
        which = Which(is_flagged=flagged, worker=worker, state=state)
        found = await pipelines.page(request.state.token, pipeline, which, after, limit, stage_of(stage), owner)
        return Response(documents.page(*found), 200, None, JSON)

    known = answer(200, "The item.", models.ItemHistory, TAGS) | answer(304, "It is as it was.", None, TAGS)

    @router.get("/items/{number}", responses=known | told(404, 422))
    async def get(
        pipeline: Name, number: Number, request: Request, owner: Owner = None, match: Match = None
    ) -> Response:
        """An item, and who did what with it."""
        return shown(await pipelines.item(request.state.token, pipeline, number, owner), match)

    lines: dict[str, Any] = {incoming.LINES: {"schema": {"type": "string"}, "example": '{"number":1,"stage":0}\n'}}
    all_of_it: Answers = {200: {"description": "Items, a line of JSON each.", "content": lines}}

    @router.get("/export", response_class=StreamingResponse, responses=all_of_it | told(404, 422))
    async def export(pipeline: Name, request: Request, after: After = -1, owner: Owner = None) -> Response:
        """All items, the lowest numbers first, as they are when it comes to them. Who is cut off goes on behind the
        last number that he has."""
        token = request.state.token

        async def read(place: int) -> Rows:
            return await pipelines.page(token, pipeline, None, place, PAGE, owner=owner)

        first = await read(after)

        async def lines() -> AsyncIterator[bytes]:
            rows, stop = first
            yield b"".join(map(documents.line, rows))
            while stop is not None:
                rows, stop = await read(stop)
                yield b"".join(map(documents.line, rows))

        return StreamingResponse(lines(), 200, None, incoming.LINES)


def _changing(router: APIRouter, pipelines: Pipelines) -> None:
    changed = answer(200, "The item.", models.ItemHistory, TAGS)

    @router.patch("/items/{number}", responses=changed | told(404, 409, 412, 422))
    async def patch(
        pipeline: Name,
        number: Number,
        said: models.ChangedItem,
        request: Request,
        owner: Owner = None,
        match: IfMatch = None,
    ) -> Response:
        """Put an item to a stage, perhaps anew to its own: it is free there, whoever had it. Or say that what it was
        flagged for is seen to; or other things of it."""
        token, seen = request.state.token, documents.seen(match)
        texts = {
            name: documents.text(getattr(said, name), name)
            for name in ("command", "result")
            if name in said.model_fields_set
        }
        if said.model_fields_set - {"flagged"}:
            await pipelines.move(token, pipeline, number, said.stage, **texts, file=said.file, seen=seen, owner=owner)
            seen = None
        if "flagged" in said.model_fields_set and "stage" not in said.model_fields_set:
            await pipelines.unflag(token, pipeline, number, seen, owner)
        return shown(await pipelines.item(token, pipeline, number, owner))

    @router.delete("/items/{number}", status_code=204, responses=told(404, 422))
    async def delete(pipeline: Name, number: Number, request: Request, owner: Owner = None) -> Response:
        """Forget an item. Who has it hears of that when he is done."""
        await pipelines.item(request.state.token, pipeline, number, owner)
        await pipelines.remove(request.state.token, pipeline, numbers=[number], owner=owner)
        return Response(None, 204)

    @router.delete("/items", responses=answer(200, "They are gone.", models.Count) | told(404, 422))
    async def delete_many(
        pipeline: Name,
        request: Request,
        number: Annotated[list[models.ItemNumber] | None, Query(max_length=500, description="Only these.")] = None,
        stage: StageOf = None,
        flagged: Flagged = None,
        owner: Owner = None,
    ) -> Response:
        """Forget items: these, or those at a stage, or the flagged ones; all, where nothing is said."""
        count = await pipelines.remove(
            request.state.token, pipeline, numbers=number, stage=stage_of(stage), is_flagged=flagged, owner=owner
        )
        return Response(to_json({"count": count}), 200, None, JSON)
