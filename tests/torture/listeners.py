"""Who follows the events of a gateway, as a browser would, and comes again with the last one that he knows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from tests.gateway.web.streams import Told, blocks
from tests.live.machine import DEADLINE
from tests.torture.callers import AGAIN, HOST


class Listener:
    """`heard`: id, type and job of each event that was told, in this order, as often as it was told."""

    def __init__(self, port: int, token: str, kind: str = "") -> None:
        self.heard: list[tuple[int, str, int]] = []
        self.came = 0
        self.kind = kind
        self._unended: set[int] = set()
        self._ended: set[int] = set()
        self._port = port
        self._token = token
        self._last: int | None = None
        self._enough = False
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Until it is enough."""
        while not self._enough:
            with contextlib.suppress(OSError, EOFError):
                await self._follow()
            await asyncio.sleep(AGAIN)

    def stop(self) -> None:
        """The stream that ends next was the last."""
        self._enough = True

    async def settled(self, known: Collection[int]) -> None:
        """Until these jobs have ended, and all of which it was told; something is told all the time meanwhile."""
        self._unended |= set(known) - self._ended
        while self._unended:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), DEADLINE)
            except asyncio.TimeoutError:
                raise AssertionError(f"who follows was never told that these have ended: {self._unended}") from None

    async def _follow(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            lines = [f"GET /api/v1/events?after=0{self.kind and '&kind='}{self.kind} HTTP/1.1", f"host: {HOST}"]
            lines += [f"authorization: Bearer {self._token}", "accept: text/event-stream"]
            lines += [] if self._last is None else [f"last-event-id: {self._last}"]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if head[9:12] == b"503":
                raise EOFError  # for now
            assert head[9:12] == b"200" and b"\r\ntransfer-encoding: chunked\r\n" in head.lower(), head
            self.came += 1
            async for one in told(reader):
                self._hear(one)
        finally:
            writer.close()

    def _hear(self, one: Told) -> None:
        if one.event is not None:
            assert one.id is not None and one.id == one.data.get("id", one.id), one
            job = one.data.get("data", {}).get("id", 0)
            self.heard.append((one.id, one.event, job))
            if one.event == "job.accepted":
                self._unended.add(job)
            if one.event == "job.ended":
                self._unended.discard(job)
                self._ended.add(job)
            self._changed.set()
        if one.id is not None:
            self._last = one.id


async def told(reader: asyncio.StreamReader) -> AsyncIterator[Told]:
    """The whole blocks of what comes in chunks; what was cut off counts as not told."""
    rest = b""
    while size := int(await reader.readline() or b"0", 16):
        rest += await reader.readexactly(size)
        await reader.readexactly(2)
        whole, end, rest = rest.rpartition(b"\n\n")
        for one in blocks((whole + end).decode().splitlines()):
            yield one
