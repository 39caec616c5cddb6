"""Artifacts for whoever has a link to one: the word in its path says what may be had, and nothing else is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from starlette.responses import Response, StreamingResponse

from sjs.gateway.artifacts.links import Grant, check, sign
from sjs.gateway.artifacts.media import MAX_FILENAME
from sjs.gateway.artifacts.store import Reading, Store

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

    def link(self, below: str, place: str, name: str, owner: str) -> str:
        """Where it can be had: the store's own link, or one to here, `below` which words are taken."""
        mime, disposition = self._headers(name)
        found = self._store.link(place, name, mime, self._seconds, disposition)
        if found is not None:
            return found
        grant = Grant(place, name[-MAX_FILENAME:], owner, int(time.time()) + self._seconds)
        return f"{below}/{sign(grant, self._keys)}"

    async def open(self, word: str, method: str) -> Response:
        """What a word allows. BadLink, NoArtifact."""
        grant = check(word, self._keys, time.time())
        mime, disposition = self._headers(grant.name)
        size = await asyncio.to_thread(self._store.size, grant.path)
        headers = {"content-length": str(size), "content-type": mime, "content-disposition": disposition}
        if method == "HEAD":
            return Response(None, 200, headers)
        return StreamingResponse(pieces(await asyncio.to_thread(self._store.open, grant.path)), 200, headers)


def pieces(reading: Reading) -> Iterator[bytes]:
    """What is read; it is closed with this."""
    try:
        yield from reading
    finally:
        reading.close()
