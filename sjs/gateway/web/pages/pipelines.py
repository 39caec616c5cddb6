"""/pipelines: what goes through stages, how far it is, who has it; and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.errors import BadRequest
from sjs.gateway.pipelines import Pipelines
from sjs.gateway.records.stages.looking import Which
from sjs.gateway.records.stages.values import CLAIMED, FREE, LONGEST, STUCK, Counts, Pipeline, Stage
from sjs.gateway.web.pages import forms
from sjs.gateway.web.pages.frame import Frame, number_of, numbered, reader
from sjs.values import dataclass, replace

LIMIT = 50
STAGES = 50
"""Stages on a page."""

WORKERS = 20_000
"""Claims that are looked at for whose they are."""

FILTERS = ("stage", "state", "flagged", "owner", "from")


@dataclass(frozen=True)
class Bar:
    """A stage, and how much of a bar of 100 stands for its items: all, those that somebody has, the flagged ones."""

    number: int
    stage: Stage
    counts: Counts
    is_last: bool
    total: float
    claimed: float
    flagged: float


def stages_of(pipeline: Pipeline) -> Sequence[int]:
    """The numbers of all its stages; of a loose one, also of those beyond the last where items are, or were."""
    return sorted({*range(pipeline.last + 1), *pipeline.stages, *pipeline.counts})


def bars(pipeline: Pipeline, numbers: Sequence[int]) -> Sequence[Bar]:
    """One for each of these stages; the longest would be of where most items are."""
    most = max((one.total for one in pipeline.counts.values()), default=0) or 1
    found = []
    for number in numbers:
        counts = pipeline.counts.get(number, Counts())
        shares = [round(100 * amount / most, 2) for amount in (counts.total, counts.claimed, counts.flagged)]
        found.append(Bar(number, pipeline.at(number), counts, number == pipeline.last, *shares))
    return found


def progress(pipeline: Pipeline) -> tuple[int, int]:
    """How many items are done, and of how many."""
    done = pipeline.counts.get(pipeline.last, Counts()).total
    return done, sum(one.total for one in pipeline.counts.values())


def lasting(pipeline: Pipeline, number: int, text: str) -> Sequence[Stage]:
    """Its stages, one of which lasts as long as this says, in seconds. BadRequest for what is no time, or no stage."""
    try:
        seconds = float(text or "0")
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        raise BadRequest(f"a lifetime is 0 to {LONGEST:.0f} seconds; 0 is as long as it takes")
    if not 0 <= number <= pipeline.last:
        raise BadRequest(f"{pipeline.name} has no stage {number} that could have a lifetime")
    return [
        replace(pipeline.at(at), lifetime=seconds) if at == number else pipeline.at(at)
        for at in range(pipeline.last + 1)
    ]


def routes(frame: Frame) -> list[Route]:
    pages = _Pages(frame)
    return [
        Route("/pipelines", pages.listing, methods=["GET"]),
        Route("/pipelines/{name}", pages.one, methods=["GET"]),
        Route("/pipelines/{name}", pages.steer, methods=["POST"]),
        Route("/pipelines/{name}/{number:int}", pages.item, methods=["GET"]),
        Route("/pipelines/{name}/{number:int}", pages.steer_item, methods=["POST"]),
    ]


class _Pages:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._every = Pipelines(frame.desk)

    async def listing(self, request: Request) -> Response:
        token = reader(request)
        found = await self._every.listed(token, number_of(request.query_params.get("after"), "after") or 0, LIMIT + 1)
        shown = found[:LIMIT]
        return self._frame.page(
            request,
            "pipelines.html",
            pipelines=[(one, progress(one), self._url(one.name, _whose(one, token.owner))) for one in shown],
            more=self._frame.url("/pipelines", after=shown[-1].id) if len(found) > LIMIT else None,
        )

    async def one(self, request: Request) -> Response:
        said, name = request.query_params, request.path_params["name"]
        owner = said.get("owner") or None
        pipeline = await self._every.get(reader(request), name, owner)
        stage = number_of(said.get("stage"), "stage")
        state = said.get("state") if said.get("state") in (FREE, CLAIMED, STUCK) else None
        if state and stage is None:
            raise BadRequest("items in a state are looked for at a stage", "say which one")
        which = Which(None, True if said.get("flagged") else None, None, state)
        after = number_of(said.get("after"), "after")
        items, stop = await self._every.page(
            reader(request), name, which, -1 if after is None else after, LIMIT, stage, owner
        )
        kept = {key: said[key] for key in FILTERS if said.get(key)}
        numbers = stages_of(pipeline)
        start = number_of(said.get("from"), "from") or 0
        return self._frame.page(
            request,
            "pipeline.html",
            pipeline=pipeline,
            bars=bars(pipeline, numbers[start : start + STAGES]),
            start=start,
            count=len(numbers),
            stages_at=lambda start: self._url(name, **{**kept, "from": str(start)}),
            each=STAGES,
            progress=progress(pipeline),
            workers=await self._every.workers(reader(request), name, WORKERS, owner),
            items=items,
            kept=kept,
            owner=owner,
            states=(FREE, CLAIMED, STUCK),
            more=None if stop is None else self._url(name, **{**kept, "after": str(stop)}),
            is_cut=stop is not None and len(items) < LIMIT,
        )

    async def steer(self, request: Request) -> Response:
        """Have a stage last longer or shorter, items be at another stage, or be forgotten, or all of it."""
        said = await forms.posted(request, self._frame.desk.link_keys)
        token, name, owner = reader(request), request.path_params["name"], said.get("owner") or None
        match said.get("what"):
            case "lifetime":
                known = await self._every.get(token, name, owner)
                stages = lasting(known, _number(said, "stage"), said.get("seconds", ""))
                seen = (known.id, _number(said, "version"))
                await self._every.define(token, name, stages, owner=owner, is_loose=known.is_loose, seen=seen)
            case "requeue":
                stage, target, is_flagged = _number(said, "stage"), _number(said, "target"), bool(said.get("flagged"))
                await self._every.requeue(token, name, stage, target, is_flagged=is_flagged, owner=owner)
            case "remove":
                is_flagged_only = True if said.get("flagged") else None
                stage = _number(said, "stage")
                await self._every.remove(token, name, stage=stage, is_flagged=is_flagged_only, owner=owner)
            case "delete":
                if said.get("sure") != name:
                    raise BadRequest("this was not deleted", f"write {name} beside the button to have it forgotten")
                await self._every.delete(token, name, owner)
                return RedirectResponse(self._frame.url("/pipelines"), 303)
            case _:
                raise BadRequest("there is nothing such to be done with a pipeline")
        return RedirectResponse(self._url(name, owner), 303)

    async def item(self, request: Request) -> Response:
        name, owner = request.path_params["name"], request.query_params.get("owner") or None
        pipeline = await self._every.get(reader(request), name, owner)
        row, steps = await self._every.item(reader(request), name, numbered(request), owner)
        return self._frame.page(request, "item.html", pipeline=pipeline, item=row, steps=steps, owner=owner)

    async def steer_item(self, request: Request) -> Response:
        """Have an item be elsewhere, not be flagged any more, or be forgotten."""
        said = await forms.posted(request, self._frame.desk.link_keys)
        token, name, owner, number = reader(request), request.path_params["name"], said.get("owner"), numbered(request)
        match said.get("what"):
            case "move":
                await self._every.move(token, name, number, _number(said, "target"), owner=owner or None)
            case "unflag":
                await self._every.unflag(token, name, number, owner=owner or None)
            case "remove":
                await self._every.remove(token, name, numbers=[number], owner=owner or None)
                return RedirectResponse(self._url(name, owner or None), 303)
            case _:
                raise BadRequest("there is nothing such to be done with an item")
        return RedirectResponse(self._url(f"{name}/{number}", owner or None), 303)

    def _url(self, name: str, owner: str | None = None, **query: Any) -> str:
        return self._frame.url(f"/pipelines/{name}", owner=owner, **query)


def _whose(pipeline: Pipeline, reader: str) -> str | None:
    return None if pipeline.owner == reader else pipeline.owner


def _number(said: Any, name: str) -> int:
    found = number_of(said.get(name), name)
    if found is None:
        raise BadRequest(f"{name} is a whole number")
    return found
