"""Errors as answers: RFC 9457 problem documents, each with a `code` for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sjs.compact import to_json
from sjs.errors import SjsError, Unreachable, UsageError
from sjs.gateway.desk import TooMany
from sjs.gateway.ordering import BadParameters
from sjs.gateway.records.writer import Unavailable
from sjs.gateway.web.conditions import NoSuchRange

STATUS: Mapping[str, int] = {
    "forbidden": 403,
    "bad_link": 403,
    "expired_link": 403,
    "unknown_job": 404,
    "unknown_sweep": 404,
    "no_spec": 404,
    "unknown_hook": 404,
    "no_artifact": 404,
    "no_target": 404,
    "no_token": 404,
    "no_pipeline": 404,
    "no_item": 404,
    "changed": 412,
    "conflict": 409,
    "bad_request": 422,
    "bad_parameters": 422,
    "bad_spec_name": 422,
    "bad_address": 422,
    "too_large": 413,
    "no_such_range": 416,
    "too_many_queued": 429,
    "unavailable": 503,
    "no_space": 507,
}
"""By an error's code; of others, by its kind."""


def problem(
    status: int, code: str, text: str, request: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The answer."""
    from http import HTTPStatus

    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": text}
    return Response(
        to_json({**body, "code": code, "request": request, **more}),
        status,
        dict(headers or {}),
        "application/problem+json",
    )


def of_error(error: SjsError, request: str) -> Response:
    """What an error of ours is to a client."""
    more: dict[str, Any] = {}
    if error.hint:
        more["hint"] = error.hint
    if isinstance(error, BadParameters):
        more["problems"] = [{"code": one.code, "name": one.name, "text": one.text} for one in error.problems]
    return problem(status_of(error), error.code, error.message, request, headers_of(error), **more)


def headers_of(error: SjsError) -> Mapping[str, str]:
    """What it says besides its status."""
    if isinstance(error, TooMany):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, NoSuchRange):
        return error.headers
    return {"retry-after": "5"} if isinstance(error, (Unavailable, Unreachable)) else {}


def status_of(error: SjsError) -> int:
    """The status of an answer that says so."""
    if error.code in STATUS:
        return STATUS[error.code]
    if isinstance(error, Unreachable):
        return 503
    return 422 if isinstance(error, UsageError) else 409


def _allowed(app: FastAPI, path: str) -> str:
    """All methods of a path, by the document: Starlette names those of one of its routes."""
    paths: Mapping[str, Mapping[str, Any]] = app.openapi()["paths"]
    there = [item for template, item in paths.items() if re.fullmatch(_PLACE.sub("[^/]+", template), path)]
    return ", ".join(sorted(method.upper() for item in there for method in item))


_PLACE = re.compile(r"\{[^}]*\}")


def install(app: FastAPI) -> None:
    """Have it answer so."""

    @app.exception_handler(SjsError)
    async def ours(request: Request, error: SjsError) -> Response:
        return of_error(error, request.state.request_id)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = {404: "no_such_path", 405: "no_such_method"}.get(error.status_code, "http")
        allowed = _allowed(app, request.scope["path"]) if error.status_code == 405 else ""
        headers = {"allow": allowed} if allowed else error.headers
        return problem(error.status_code, code, str(error.detail), request.state.request_id, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        told = [
            {"code": one["type"], "name": ".".join(map(str, one["loc"])), "text": one["msg"]} for one in error.errors()
        ]
        return problem(
            422, "bad_request", "the request is not as it should be", request.state.request_id, problems=told
        )

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return problem(500, "internal", "something went wrong here; it is in the log", request.state.request_id)
