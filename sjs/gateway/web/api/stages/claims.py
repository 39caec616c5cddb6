"""/api/v1/stages/PIPELINE/claims: items are given out, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from sjs.gateway.pipelines import Pipelines
from sjs.gateway.records.stages.values import Item, Settled
from sjs.gateway.web.api.describe import JSON, answer, told
from sjs.gateway.web.api.stages import documents, models
from sjs.gateway.web.api.stages.parts import Name, Owner, Word


def routes(pipelines: Pipelines) -> APIRouter:
    router = APIRouter(prefix="/stages/{pipeline}/claims", tags=["stages"])
    given = answer(200, "These items.", models.Claims) | answer(204, "There is none.")

    @router.post("", responses=given | told(404, 409, 422))
    async def claim(pipeline: Name, said: models.NewClaim, request: Request, owner: Owner = None) -> Response:
        """Have free items of a stage, the lowest numbers first: nobody else has them until they are given back, or
        their time is over. Each has a word of its own, by which it is finished, renewed, or released."""
        return await claimed(pipelines, pipeline, said, request, owner)

    settled = answer(200, "It is so.", models.Settled) | told(404, 409, 422, s409="The claim is void, or has ended.")

    @router.post("/{word}/renew", responses=settled)
    async def renew(
        pipeline: Name, word: Word, request: Request, said: models.Renewal | None = None, owner: Owner = None
    ) -> Response:
        """Have a claim last longer, from now on."""
        seconds = None if said is None else said.seconds
        return done(await pipelines.renew(request.state.token, pipeline, word, seconds, owner))

    @router.post("/{word}/finish", responses=settled)
    async def finish(
        pipeline: Name, word: Word, request: Request, said: models.Finished | None = None, owner: Owner = None
    ) -> Response:
        """The work is done: the item goes to the next stage, or to another. Who was not answered asks again for the
        same, and is answered the same; where the claim is void nothing has changed, and nothing does."""
        return await finished(pipelines, pipeline, word, said or models.Finished(), request, owner)

    @router.post("/{word}/release", responses=settled)
    async def release(
        pipeline: Name, word: Word, request: Request, said: models.Released | None = None, owner: Owner = None
    ) -> Response:
        """Give an item back. One that has failed goes back as one whose time is over, so many times; and where it does
        not, nobody gets it before it is moved."""
        why = said or models.Released()
        return done(
            await pipelines.release(
                request.state.token, pipeline, word, is_failed=why.failed, detail=why.detail, owner=owner
            )
        )

    return router


def done(found: Settled) -> Response:
    """What became of a claim."""
    return Response(documents.settled(found), 200, None, JSON)


async def finished(
    pipelines: Pipelines, pipeline: str, word: str, said: models.Finished, request: Request, owner: str | None
) -> Response:
    """The answer to who has finished an item."""
    result = documents.text(said.result, "a result") if "result" in said.model_fields_set else None
    token = request.state.token
    return done(await pipelines.finish(token, pipeline, word, said.stage, result=result, file=said.file, owner=owner))


async def claimed(
    pipelines: Pipelines, pipeline: str, said: models.NewClaim, request: Request, owner: str | None
) -> Response:
    """The answer to who wants items. Who goes while he waits gets none."""
    token = request.state.token
    asked = pipelines.claim(
        token,
        pipeline,
        said.stage,
        said.worker or token.owner,
        seconds=said.seconds,
        count=said.count,
        wait=said.wait,
        owner=owner,
    )
    found: Sequence[Item]
    if said.wait:
        found, is_there = await _while_there(asyncio.ensure_future(asked), request)
        if not is_there:
            for one in found:
                await pipelines.release(token, pipeline, one.word or "", owner=owner)
            found = ()
    else:
        found = await asked
    if not found:
        return Response(None, 204)
    return Response(documents.given(found), 200, None, JSON)


async def _while_there(asked: asyncio.Future[Sequence[Item]], request: Request) -> tuple[Sequence[Item], bool]:
    """What was given, and whether whoever asked is still there to have it."""
    gone = asyncio.ensure_future(_gone(request))
    try:
        both: list[asyncio.Future[Any]] = [asked, gone]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return (await asked if asked.done() else ()), not gone.done()
    finally:
        gone.cancel()
        asked.cancel()


async def _gone(request: Request) -> None:
    """Come back when whoever asked has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
