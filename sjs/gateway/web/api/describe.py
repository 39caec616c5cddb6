"""The OpenAPI document: what FastAPI finds in the code, and what all operations have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from sjs.gateway.web.api.models import Problem

SCHEME = "token"
JSON = "application/json"
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
"""What may stand in a path."""

TITLE = "sjs"
ABOUT = """Jobs for machines that can be reached, over HTTP. Who asks shows a token (`submit token`). Whatever goes
wrong is answered by a problem document (RFC 9457) whose `code` is for programs. Times are Unix seconds."""

ANYWHERE: Mapping[int, str] = {
    400: "The head of the request is wrong, or holds a token where logs would have it.",
    401: "No token was presented, or one that is none, has expired, or was revoked.",
    403: "This token may not do that, or a page of another site asks.",
    414: "The address is too long.",
    421: "This server is not asked for by that name.",
    429: "Too many requests, by the limits of the token.",
    431: "There are too many headers, or they are too long.",
    500: "Something went wrong here.",
    503: "The records or a machine can not be asked now; or too much is asked at once.",
}
"""What any operation may answer."""

WITH_BODY: Mapping[int, str] = {408: "The body came too slowly.", 413: "The body is too large."}

USUAL: Mapping[int, str] = {
    404: "There is no such thing, or it is somebody else's.",
    409: "As things stand, that can not be done.",
    412: "It is not as it was.",
    416: "There are no such bytes.",
    422: "The request is not as it should be, or says what makes no sense.",
}

Answers = dict[int | str, dict[str, Any]]


def told(*statuses: int, **more: str) -> Answers:
    """Of an operation: these may be answered, too. `more`: by what is said of `s404` and the like."""
    said = {int(name[1:]): text for name, text in more.items()}
    return {status: {"description": said.get(status, USUAL[status])} for status in (*statuses, *said)}


def answer(status: int, text: str, model: Any = None, headers: Mapping[str, str] | None = None) -> Answers:
    """What is answered where all is well."""
    found: dict[str, Any] = {"description": text}
    if model is not None:
        found["model"] = model
    if headers:
        found["headers"] = {name: {"description": what, "schema": {"type": "string"}} for name, what in headers.items()}
    return {status: found}


def install(app: FastAPI) -> None:
    """Have the application's document say all that is so."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _finished(
                get_openapi(title=TITLE, version=app.version, description=ABOUT, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _finished(found: dict[str, Any]) -> dict[str, Any]:
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    parts["securitySchemes"] = {SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "sjs_…"}}
    parts["responses"] = {
        f"Problem{status}": _problem(status, text) for status, text in (*ANYWHERE.items(), *WITH_BODY.items())
    }
    for one in schemas.values():
        for said in one.get("properties", {}).values():
            if said.get("default", True) is None:
                del said["default"]  # what is not said is not null
    for path in found["paths"].values():
        for operation in path.values():
            _finish(operation)
    return found


def _finish(operation: dict[str, Any]) -> None:
    is_public = operation.pop("x-public", False)
    operation["security"] = [] if is_public else [{SCHEME: []}]
    for status, said in list(operation["responses"].items()):
        if int(status) >= 400:
            operation["responses"][status] = _problem(int(status), said["description"])
    anywhere = [*ANYWHERE, *(WITH_BODY if "requestBody" in operation else ())]
    for status in anywhere:
        if not (is_public and status == 401):
            operation["responses"].setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _problem(status: int, text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    found: dict[str, Any] = {"description": text, "content": {"application/problem+json": {"schema": schema}}}
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return found
