"""/events: what has happened, the newest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sjs.core.job import ranges
from sjs.gateway.records.events import Event
from sjs.gateway.web.pages.frame import Frame, number_of, reader

LIMIT = 100
KINDS = (
    *("job.accepted", "job.running", "job.ended", "job.retried", "job.collected"),
    *("stage.defined", "stage.moved", "stage.expired", "stage.deleted"),
)


def routes(frame: Frame) -> list[Route]:
    async def listing(request: Request) -> Response:
        said = request.query_params
        kinds = [one for one in said.getlist("kind") if one in KINDS]
        job = number_of(said.get("job"), "job")
        found = await frame.desk.past(reader(request), kinds, job, number_of(said.get("before"), "before"), LIMIT + 1)
        shown = found[:LIMIT]
        older = None
        if len(found) > LIMIT:
            older = frame.url("/events", before=shown[-1].seq, kind=kinds or None, job=job)
        return frame.page(
            request,
            "events.html",
            events=[(one, told(one)) for one in shown],
            kinds=KINDS,
            chosen=kinds,
            job=job,
            older=older,
            is_newest=said.get("before") is None,
        )

    return [Route("/events", listing, methods=["GET"])]


def told(event: Event) -> list[tuple[str, str]]:
    """What there is to say of it, in pairs."""
    data = json.loads(event.data)
    return [(key, _WORDS.get(key, _text)(value)) for key, value in data.items() if value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _steps(value: Mapping[str, int]) -> str:
    """What was done how often: 3 claimed, 1 finished."""
    return ", ".join(f"{count} {what}" for what, count in value.items())


def _stages(value: Sequence[Mapping[str, int]]) -> str:
    """How many items are at each stage, and how many of them somebody has, or are flagged: 0: 7 (2 claimed), 1: 3."""
    return ", ".join(f"{one['stage']}: {one['total']}{_of_these(one)}" for one in value)


def _of_these(one: Mapping[str, int]) -> str:
    some = [f"{one[what]} {what}" for what in ("claimed", "flagged") if one[what]]
    return f" ({', '.join(some)})" if some else ""


def _numbers(value: Sequence[int]) -> str:
    """Those that follow each other in one: 1-3, 7."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges(value))


_WORDS: Mapping[str, Callable[[Any], str]] = {"steps": _steps, "stages": _stages, "expired": _numbers}
