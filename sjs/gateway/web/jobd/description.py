"""What these paths do, for programs that make clients of it and for people: Swagger 2.0, as jobd has it, and true."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sjs.gateway.web.jobd.answers import JSON

_TEXT, _NUMBER, _FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _answer(text: str, what: str) -> dict[str, Any]:
    return {"description": text, "schema": {"$ref": f"#/definitions/{what}"}}


_STATUS = {"type": "string", "enum": ["QUEUED", "SUCCESS", "PARTIAL", "FAILED"]}

_DEFINITIONS = {
    "Upload": {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {**_TEXT, "minLength": 1, "maxLength": 255, "description": "chosen by the client, once"},
            "input": {**_TEXT, "description": "base64 of a zip archive with run.sh at its top; lines may end in it"},
            "slurml": {**_FLAG, "description": "to be run by Slurm"},
        },
    },
    "Job": _object(
        LastUpdated={"type": "string", "format": "date-time"},
        ID=_TEXT,
        Status=_STATUS,
        Path=_TEXT,
        Input={**_TEXT, "description": "what was sent; of a job that is asked for, nothing"},
        Output={**_TEXT, "description": "base64 of a zip archive of the folder in which run.sh ran, as it left it"},
        Message=_TEXT,
        SlurmID=_NUMBER,
        Slurml=_FLAG,
    ),
    "Problem": _object(error=_TEXT, message=_TEXT, status=_NUMBER),
}

_NOT_ALLOWED = _answer("The token may not.", "Problem")

_UPLOAD = {
    "summary": "Run run.sh of an archive",
    "operationId": "upload",
    "consumes": ["application/json"],
    "produces": ["application/json", "text/plain"],
    "parameters": [{"in": "body", "name": "upload", "required": True, "schema": {"$ref": "#/definitions/Upload"}}],
    "responses": {
        "201": _answer("It is kept durably, and runs.", "Job"),
        "400": _answer("The id is missing or taken; or, as text/plain, the body is not read.", "Problem"),
        "403": _NOT_ALLOWED,
        "413": _answer("The body is too large.", "Problem"),
        "503": _answer("It cannot be kept now.", "Problem"),
        "507": _answer("There is no room for it.", "Problem"),
    },
}

_GET = {
    "summary": "How a job has ended, and what it has left",
    "operationId": "get",
    "produces": ["application/json"],
    "parameters": [{"in": "path", "name": "id", "required": True, "type": "string"}],
    "responses": {
        "200": _answer("It has ended: SUCCESS or FAILED.", "Job"),
        "202": _answer("It has not ended.", "Problem"),
        "206": _answer("It has ended well, and not all that it has left could be had: PARTIAL.", "Job"),
        "403": _NOT_ALLOWED,
        "404": _answer("There is no job of this id.", "Problem"),
        "503": _answer("What it has left cannot be had now.", "Problem"),
    },
}


def described(base: str) -> dict[str, Any]:
    """The document, for where the paths begin."""
    return {
        "swagger": "2.0",
        "info": {"title": "jobd", "version": "1", "description": "Archives in, archives out, run by sjs."},
        "basePath": base or "/",
        "paths": {"/api/upload": {"post": _UPLOAD}, "/api/get/{id}": {"get": _GET}},
        "definitions": _DEFINITIONS,
    }


async def document(request: Request) -> Response:
    """/swagger/doc.json"""
    return Response(json.dumps(_here(request)), headers={"content-type": JSON})


async def page(request: Request) -> Response:
    """/swagger/index.html: the same to be read; no script runs in it."""
    base, rows = _here(request)["basePath"].rstrip("/"), []
    for path, methods in _here(request)["paths"].items():
        for method, said in methods.items():
            answers = "".join(
                f"<li>{status}: {escape(one['description'])}</li>" for status, one in said["responses"].items()
            )
            head = f"{method.upper()} {escape(base + path)}"
            rows.append(f"<h2><code>{head}</code></h2><p>{escape(said['summary'])}</p><ul>{answers}</ul>")
    top = f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>jobd</title><h1>jobd</h1>{"".join(rows)}'
    text = f'{top}<p><a href="doc.json">doc.json</a> says it to programs.</p></html>'
    return Response(text, headers={"content-type": "text/html; charset=utf-8"})


def _here(request: Request) -> dict[str, Any]:
    return described(str(request.scope.get("root_path", "")))
