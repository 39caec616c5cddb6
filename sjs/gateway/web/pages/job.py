"""/jobs/N: all of one job, and what can be done about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import time
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sjs.answers import Details
from sjs.core.lifecycle import FINAL, RUNNING
from sjs.errors import SjsError, Unreachable
from sjs.gateway.identity.tokens import Token
from sjs.gateway.inquiries import Inquiries
from sjs.gateway.records import events
from sjs.gateway.web.pages import files, forms, printed
from sjs.gateway.web.pages.account import account
from sjs.gateway.web.pages.frame import Frame, number_of, numbered, reader

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds that a page waits for a job's machine."""

MOST_EVENTS = 50
KINDS = ("job.accepted", "job.running", "job.ended", "job.retried", "artifact.kept", "job.collected")


def routes(frame: Frame, inquiries: Inquiries) -> list[Route]:
    desk = frame.desk

    async def one(request: Request) -> Response:
        row = await desk.row(reader(request), numbered(request))
        of = printed.asked(request)
        attempt = of.attempt or row.attempt
        after = number_of(request.query_params.get("files"), "files") or 0
        left, happened = await desk.read(
            lambda connection: (
                files.some(connection, row.id, attempt, after),
                events.last(connection, row.id, MOST_EVENTS),
            )
        )
        details, why, tail = await asyncio.gather(
            heard(inquiries.details(row)), heard(inquiries.why(row)), heard(printed.tail(inquiries, row, of))
        )
        pictures = [one for one in left.files if files.is_picture(one.name, one.size)]
        return frame.page(
            request,
            "job.html",
            job=row,
            kinds=KINDS,
            account=account(row, details if isinstance(details, Details) else None),
            trouble=next((one for one in (details, why, tail) if isinstance(one, SjsError)), None),
            why=() if isinstance(why, SjsError) else why,
            tail=None if isinstance(tail, SjsError) else tail,
            of=of,
            attempt=attempt,
            left=left,
            left_out=(row.left_out or "").split("\n")[:20] if row.left_out else [],
            pictures=pictures,
            others=[one for one in left.files if one not in pictures],
            running_for=max(0.0, time() - row.begun) if row.state == RUNNING and row.begun is not None else None,
            happened=[(event, json.loads(event.data)) for event in happened],
            has_ended=row.state in FINAL,
        )

    async def command(request: Request) -> Response:
        """All of it: the page shows the beginning."""
        row = await desk.row(reader(request), numbered(request))
        headers = {"content-disposition": f'attachment; filename="job-{row.id}.json"'}
        return Response(row.body, 200, headers, "application/json")

    async def cancel(request: Request) -> Response:
        return await _done(request, desk.cancel)

    async def retry(request: Request) -> Response:
        return await _done(request, desk.retry)

    async def _done(request: Request, what: Callable[[Token, int], Awaitable[object]]) -> Response:
        await forms.posted(request, desk.link_keys)
        number = numbered(request)
        await what(reader(request), number)
        return RedirectResponse(frame.url(f"/jobs/{number}"), 303)

    return [
        Route("/jobs/{number:int}", one, methods=["GET"]),
        Route("/jobs/{number:int}/command.json", command, methods=["GET"]),
        Route("/jobs/{number:int}/cancel", cancel, methods=["POST"]),
        Route("/jobs/{number:int}/retry", retry, methods=["POST"]),
    ]


async def heard(question: Awaitable[T]) -> T | SjsError:
    """What a machine says, or why it does not within the time that a page has."""
    try:
        return await asyncio.wait_for(question, PATIENCE)
    except SjsError as error:
        return error
    except asyncio.TimeoutError:
        return Unreachable("its machine has not answered yet")
