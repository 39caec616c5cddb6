"""How jobmgr answers, to the byte: JSON, errors and redirects as Go writes them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

PLAIN = "text/plain; charset=utf-8"

MISSING = "missing_params"
INVALID = "invalid_params"
INTERNAL = "internal_server_error"

_ESCAPES = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})
"""What Go writes so in texts; elsewhere in JSON there is none of these."""


def text_of(document: Mapping[str, Any]) -> bytes:
    """A document as JSON, keys in their order, and a line's end."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES)
    return f"{text}\n".encode("utf-8", "replace")


def answer(document: Mapping[str, Any]) -> Response:
    return Response(text_of({"status": "ok", **document}), 200, media_type="application/json")


def refusal(code: str, hint: str = "") -> Response:
    """An error. Its status is 200, as always: clients read `status` in the body."""
    said = {"status": "error", "error": code, **({"hint": hint} if hint else {})}
    return Response(text_of(said), 200, media_type="application/json")


def no_such_path() -> Response:
    return Response("404 page not found\n", 404, media_type=PLAIN)


def no_such_method(allowed: str) -> Response:
    return Response("Method Not Allowed\n", 405, {"allow": allowed}, PLAIN)


def redirect(status: int, location: str, method: str) -> Response:
    """Elsewhere; to who reads it, with a page that has the link."""
    headers = {"location": location}
    if method not in ("GET", "HEAD"):
        return Response(None, status, headers)
    page = f'<a href="{escape(location)}">{HTTPStatus(status).phrase}</a>.\n\n'
    return Response(page, status, headers, "text/html; charset=utf-8")
