"""Artifacts as they are sent: all of one, or some bytes; and for whoever has a link to one: the word in its path says
what may be had, and nothing else is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sjs.gateway.artifacts.links import Grant, check, sign
from sjs.gateway.artifacts.media import MAX_FILENAME
from sjs.gateway.artifacts.store import Reading, Store
from sjs.gateway.web.conditions import ACCEPTED, Asked, Beyond, NoSuchRange, is_known, span_of
from sjs.values import dataclass

Headers = Callable[[str], tuple[str, str]]
"""Of an artifact's name, of which the end counts: its Content-Type and its Content-Disposition."""


class Door:
    """To what a store keeps that has no door of its own. `keys`: what links are signed with; `seconds`: for how long
    they are good."""

    def __init__(self, store: Store, keys: Sequence[bytes], seconds: int, headers: Headers) -> None:
        self._store = store
        self._keys = keys
        self._seconds = seconds
        self._headers = headers

    def link(self, below: str, place: str, name: str, owner: str, sha256: str) -> str:
        """Where it can be had: the store's own link, or one to here, `below` which words are taken."""
        mime, disposition = self._headers(name)
        found = self._store.link(place, name, mime, self._seconds, disposition)
        if found is not None:
            return found
        grant = Grant(place, name[-MAX_FILENAME:], owner, int(time.time()) + self._seconds, sha256)
        return f"{below}/{sign(grant, self._keys)}"

    async def open(self, word: str, asked: Asked) -> Response:
        """What a word allows, of that what is asked. BadLink, NoArtifact, NoSuchRange."""
        grant = check(word, self._keys, time.time())
        size = await asyncio.to_thread(self._store.size, grant.path)
        return await sent(self._store, File(grant.path, size, grant.sha256, self._headers(grant.name)), asked)


@dataclass(frozen=True)
class File:
    """An artifact: where the store has it, its bytes, and what `Headers` say of its name."""

    place: str
    size: int
    sha256: str
    shown: tuple[str, str]

    @property
    def tag(self) -> str:
        return f'"{self.sha256}"'


async def sent(store: Store, file: File, asked: Asked) -> Response:
    """What is asked of a file; nothing else of it is read. NoSuchRange."""
    headers = {**ACCEPTED, "etag": file.tag, "cache-control": "private, no-cache"}
    if is_known(asked.match, file.tag):
        return Response(None, 304, headers)
    headers |= dict(zip(("content-type", "content-disposition"), file.shown, strict=True))
    if asked.is_head:  # for which a range means nothing
        return Response(None, 200, {**headers, "content-length": str(file.size)})
    span = span_of(asked.wanted, file.size, asked.condition, file.tag)
    if isinstance(span, Beyond):
        raise NoSuchRange(f"it has {file.size} bytes", span)
    start, stop = (0, file.size) if span is None else (span.start, span.stop)
    headers["content-length"] = str(stop - start)
    if span is not None:
        headers["content-range"] = span.content_range
    reading = await asyncio.to_thread(store.open, file.place, start, stop - start)
    return _Read(reading, 200 if span is None else 206, headers)


class _Read(StreamingResponse):
    """What is read; it is closed however the answer ends, be it before its first byte."""

    def __init__(self, reading: Reading, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(reading, status, headers)
        self._reading = reading

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.to_thread(self._reading.close)
