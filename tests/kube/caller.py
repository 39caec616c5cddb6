"""A client as small as can be, for the cluster's own tests: one connection, requests and answers as they are."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What came back."""

    code: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class Caller:
    """Who says who it is by a token, by a certificate with its key, or by a whole Authorization header."""

    def __init__(
        self,
        port: int,
        ca_file: Path,
        token: str = "",
        certificate: tuple[Path, Path] | None = None,
        authorization: str = "",
    ) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        if certificate:
            context.load_cert_chain(*certificate)
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
        said = authorization or (f"Bearer {token}" if token else "")
        self._headers = {"Authorization": said} if said else {}

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> None:
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {**self._headers, "Content-Type": content_type})

    def opened(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> http.client.HTTPResponse:
        """The answer while it comes, line by line."""
        self.send(method, path, body, content_type)
        return self._connection.getresponse()

    def answer(self) -> Reply:
        """To what was sent."""
        return _whole(self._connection.getresponse())

    def __call__(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Reply:
        return _whole(self.opened(method, path, body, content_type))


def _whole(answer: http.client.HTTPResponse) -> Reply:
    data = answer.read().decode()
    is_json = (answer.headers.get("Content-Type") or "").startswith("application/json")
    return Reply(answer.status, json.loads(data) if is_json else data, dict(answer.headers))
