"""What is said where a request goes no further: a problem document (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from sjs.values import dataclass, field

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Refusal:
    """`code`: for programs; `text`: for people, and nothing of the request is in it."""

    status: int
    code: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


def document(refusal: Refusal, request: str) -> tuple[Headers, bytes]:
    """Headers and body. `request`: the request's id."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.text,
        "code": refusal.code,
        "request": request,
    }
    text = json.dumps(body).encode("ascii")
    found = {"content-type": "application/problem+json", "content-length": str(len(text)), **refusal.headers}
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in found.items()], text
