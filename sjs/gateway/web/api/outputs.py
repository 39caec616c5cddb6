"""/api/v1/jobs/N/logs, why, details: what the machine knows of a job."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from sjs.compact import to_json
from sjs.gateway.desk import Desk
from sjs.gateway.inquiries import Inquiries
from sjs.gateway.web.api import documents, models
from sjs.gateway.web.api.describe import JSON, Answers, answer, told
from sjs.gateway.web.api.jobs import Number
from sjs.gateway.web.conditions import ACCEPTED, Beyond, NoSuchRange, span_of

PLAIN = "text/plain; charset=utf-8"
STREAMS = {"out": ("out",), "err": ("err",), "both": ("out", "err")}


def routes(desk: Desk, inquiries: Inquiries) -> APIRouter:
    router = APIRouter(prefix="/jobs/{number}", tags=["jobs"])

    @router.get("/logs", response_class=StreamingResponse, responses=_logs() | told(404, 409, 416, 422))
    async def logs(
        number: Number,
        request: Request,
        stream: Annotated[Literal["out", "err", "both"], Query(description="`both`: as they come.")] = "out",
        attempt: Annotated[int | None, Query(ge=1, lt=2**31, description="Of this one; else the last.")] = None,
        follow: Annotated[bool, Query(description="Until the job has ended.")] = False,
        offset: Annotated[int, Query(ge=0, lt=2**62, description="With `follow`: after so many bytes.")] = 0,
        wanted: Annotated[str | None, Header(alias="Range", description="Of one stream: which bytes.")] = None,
        condition: Annotated[str | None, Header(alias="If-Range", description="Nothing of a log fits it.")] = None,
    ) -> Response:
        """What a job has printed."""
        row = await desk.row(request.state.token, number)
        streams = STREAMS[stream]
        if follow:
            found = inquiries.followed(request.state.token, row, streams, attempt, offset)
            return StreamingResponse(found, 200, media_type=PLAIN)
        size = None if len(streams) > 1 else await inquiries.size(row, stream, attempt)
        if size is None:
            return StreamingResponse(inquiries.printed(row, streams, attempt), 200, media_type=PLAIN)
        span = span_of(wanted, size, condition)
        if isinstance(span, Beyond):
            raise NoSuchRange(f"stream {stream} of job {number} has {size} bytes by now", span)
        start, stop = (0, size) if span is None else (span.start, span.stop)
        headers = {**ACCEPTED, "content-length": str(stop - start)}
        if span is not None:
            headers["content-range"] = span.content_range
        pieces = inquiries.printed(row, streams, attempt, start, stop - start)
        return StreamingResponse(pieces, 200 if span is None else 206, headers, PLAIN)

    @router.get("/why", responses=answer(200, "Some lines.", models.Why) | told(404, 409, 422))
    async def why(number: Number, request: Request) -> Response:
        """In words, what a job waits for, or how it has ended."""
        found = await inquiries.why(await desk.row(request.state.token, number))
        return Response(to_json({"why": list(found)}), 200, None, JSON)

    @router.get("/details", responses=answer(200, "All of it.", models.Details) | told(404, 409, 422))
    async def details(number: Number, request: Request) -> Response:
        """All that is known of a job, by the target that has it, too."""
        row = await desk.row(request.state.token, number)
        return Response(documents.details(row, await inquiries.details(row)), 200, None, JSON)

    return router


def _logs() -> Answers:
    text = {"text/plain": {"schema": {"type": "string"}}}
    ranges = {"Accept-Ranges": {"schema": {"type": "string"}}}
    part = {**ranges, "Content-Range": {"schema": {"type": "string"}}}
    return {
        200: {"description": "All of it.", "content": text, "headers": ranges},
        206: {"description": "The bytes that were asked for.", "content": text, "headers": part},
    }
