"""Asks one thing again and again, over several connections that are kept: `http_load.py PORT CONNECTIONS SECONDS`.

The request stands on its input, as it is sent. Prints what came of it as JSON. It reads of an answer no more than it
must, so that it has time left when the server has none.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
END = b"\r\n\r\n"


class Asking(asyncio.Protocol):
    """One connection, always at its next request until it is `over`."""

    over = False

    def __init__(self, request: bytes, answers: Counter[int]) -> None:
        self._request = request
        self._answers = answers
        self._come = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._come += data
        head = self._come.find(END)
        if head < 0:
            return
        length = LENGTH.search(self._come, 0, head + 2)
        if len(self._come) < head + len(END) + (int(length[1]) if length else 0):
            return
        self._answers[int(self._come[9:12])] += 1
        self._come = b""
        if self.over:
            self._transport.close()
        else:
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


async def load(port: int, connections: int, seconds: float, request: bytes) -> Counter[int]:
    answers: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Asking(request, answers), "127.0.0.1", port) for _ in range(connections)
    ]
    loop.call_later(seconds, setattr, Asking, "over", True)
    await asyncio.gather(*(one.ended for _, one in made))
    return answers


def main(port: int, connections: int, seconds: float) -> None:
    request = sys.stdin.buffer.read()
    busy, begin = time.process_time(), time.perf_counter()
    answers = asyncio.run(load(port, connections, seconds, request))
    took = time.perf_counter() - begin
    json.dump({"answers": answers, "seconds": took, "busy": time.process_time() - busy}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
