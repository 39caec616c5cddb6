from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from sjs.gateway.serving.joining import MOST, Joining, joined
from tests.live.machine import DEADLINE


class Written(asyncio.Transport):
    """What was, and what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes] = []
        self.first = asyncio.Event()

    def write(self, data: Any) -> None:
        self.calls.append(bytes(data))
        self.first.set()

    def close(self) -> None:
        self.calls.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.calls


def after(*said: bytes | None) -> list[bytes]:
    """What is written of this; None: the loop goes on in between."""

    async def run() -> list[bytes]:
        written = Written()
        joining = Joining(written)
        for one in said:
            if one is None:
                await asyncio.sleep(0)
            else:
                joining.write(one)
        await asyncio.sleep(0)
        return written.calls

    return asyncio.run(run())


def test_what_comes_at_a_time_is_one_write_and_keeps_its_order() -> None:
    large = b"x" * (MOST + 1)
    assert after(b"head", b"body") == [b"headbody"]
    assert after(b"head", b"") == [b"head"]
    assert after(b"head", None, b"event", None, b"event") == [b"head", b"event", b"event"]
    assert after(b"head", b"body", b"head", b"body", b"head") == [b"headbody", b"headbody", b"head"]
    assert after(b"head", large, b"end") == [b"head", large, b"end"]
    assert after(b"") == []


def test_nothing_is_left_behind_by_a_close() -> None:
    async def run() -> None:
        written = Written()
        joining = Joining(written)
        joining.write(b"last")
        joining.close()
        await asyncio.sleep(0)
        assert written.calls == [b"last", b"closed"] and joining.is_closing()

    asyncio.run(run())


def test_an_answer_is_one_write() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"body"})

    async def run() -> list[bytes]:
        written = Written()
        config = uvicorn.Config(app, http=joined(HttpToolsProtocol), lifespan="off", log_config=None)
        config.load()
        protocol = joined(HttpToolsProtocol)(config=config, server_state=ServerState(), app_state={})
        protocol.connection_made(written)
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        await asyncio.wait_for(written.first.wait(), DEADLINE)
        calls = list(written.calls)
        protocol.connection_lost(None)
        return calls

    (answer,) = asyncio.run(run())
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\nbody")
