"""A client of jobd, written against the original: it knows paths, bodies and keys, and looks at bytes."""

from __future__ import annotations

import base64
import http.client
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from sjs.values import dataclass
from tests.live.machine import DEADLINE, until

KEYS = ["LastUpdated", "ID", "Status", "Path", "Input", "Output", "Message", "SlurmID", "Slurml"]
JSON, TEXT = "application/json; charset=utf-8", "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """As it came."""

    status: int
    media: str
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def files(self) -> dict[str, bytes]:
        """What is in the archive that is its Output."""
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(self.said["Output"], validate=True))) as archive:
            return {one: archive.read(one) for one in archive.namelist()}


@dataclass(frozen=True)
class Client:
    """`base`: where the paths begin; `headers`: what an original client would not send."""

    port: int
    base: str
    headers: Mapping[str, str]

    def ask(self, method: str, path: str, body: Any = None, **more: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, self.base + path, body, {**self.headers, **more})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers["content-type"], answer.read())
        finally:
            connection.close()

    def post(self, body: Any, **more: str) -> Answer:
        return self.ask("POST", "/api/upload", body, **more)

    def upload(self, name: str, archive: bytes | None = None, **more: Any) -> Answer:
        """As the README of jobd does it."""
        said = {"id": name} if archive is None else {"id": name, "input": base64.encodebytes(archive).decode()}
        return self.post(json.dumps({**said, **more}).encode(), **{"content-type": "application/json"})

    def get(self, name: str) -> Answer:
        return self.ask("GET", f"/api/get/{quote(name, safe='')}")

    def ended(self, name: str, seconds: float = DEADLINE) -> Answer:
        """What is said of the job once it has ended."""
        found: list[Answer] = []

        def has_ended() -> bool:
            found.append(self.get(name))
            return found[-1].status != 202

        until(has_ended, f"the end of {name}", seconds)
        return found[-1]

    def run(self, name: str, script: str, **files: bytes) -> Answer:
        """Upload a script, and wait for its end."""
        assert self.upload(name, archive(script, **files)).status == 201
        return self.ended(name)


def archive(script: str | None, **files: bytes) -> bytes:
    """An archive as zip(1) makes one: with a script, or without."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as made:
        if script is not None:
            made.writestr("run.sh", f"#!/bin/sh\n{script}\n")
        for name, content in files.items():
            made.writestr(name, content)
    return to.getvalue()


def chunks(size: int, piece: bytes) -> Iterator[bytes]:
    """A body that nobody has in memory."""
    for _ in range(size // len(piece)):
        yield piece
