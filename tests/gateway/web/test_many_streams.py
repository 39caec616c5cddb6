"""Many clients at once, each of which hears everything.

SJS_STREAMS=1000: so many of them, and SJS_STREAM_EVENTS=1000 so many events.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from asyncio import StreamReader, StreamWriter
from pathlib import Path

from tests.gateway.web.conftest import HOST
from tests.live.machine import DEADLINE, ROOT

CLIENTS = int(os.environ.get("SJS_STREAMS", "100"))
EVENTS = int(os.environ.get("SJS_STREAM_EVENTS", "50"))
WITHIN = DEADLINE * max(1, CLIENTS // 100)
MOST = 200
"""kB for a client, with what the server's first ones cost it."""


async def connected(port: int, token: str) -> tuple[StreamReader, StreamWriter]:
    """A client, from when it hears all that happens."""
    reader, writer = await asyncio.open_connection(HOST, port)
    head = f"GET /api/v1/events HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept: text/event-stream\r\n"
    writer.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
    said = await reader.readuntil(b"id: ")
    assert said.startswith(b"HTTP/1.1 200 "), said
    return reader, writer


async def heard(reader: StreamReader, last: int) -> list[int]:
    """The events up to one; they come whole or not, so lines are looked for, not pieces."""
    found: list[int] = []
    while not found or found[-1] < last:
        line = await reader.readline()
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:])["id"])
    return found


async def ask(server: subprocess.Popen[str], events: int) -> int:
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(f"{events}\n")
    server.stdin.flush()
    return int(await asyncio.to_thread(server.stdout.readline))


async def follow(server: subprocess.Popen[str]) -> None:
    assert server.stdout is not None
    port, token = json.loads(server.stdout.readline())
    first = [await connected(port, token)]
    before = await ask(server, 1)
    begun = time.monotonic()
    clients = first + [await connected(port, token) for _ in range(CLIENTS)]
    joined = time.monotonic()
    after = await ask(server, 1)
    hearing = [asyncio.create_task(heard(reader, EVENTS + 2)) for reader, _ in clients]
    most = await ask(server, EVENTS)
    told = await asyncio.wait_for(asyncio.gather(*hearing), WITHIN)
    over = time.monotonic()
    for _, writer in clients:
        writer.close()
    each = (after - before) / CLIENTS
    print(
        f"{CLIENTS} clients, joined in {joined - begun:.1f} s, {each:.0f} kB each; {EVENTS} events each in "
        f"{over - joined:.1f} s, {(most - before) / CLIENTS:.0f} kB each then"
    )
    assert told == [list(range(1, EVENTS + 3)), *[list(range(2, EVENTS + 3))] * CLIENTS]
    assert (most - before) / CLIENTS < MOST


def test_all_hear_everything_in_order(tmp_path: Path) -> None:
    (tmp_path / "jobspecs").mkdir()
    argv = [sys.executable, "-m", "tests.gateway.web.serving", str(tmp_path)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        asyncio.run(follow(server))
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(DEADLINE) == 0
