"""Guard and entry behind the real server, asked by bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sjs.gateway.identity import guard
from sjs.gateway.identity.entry import Admission, Entry
from sjs.gateway.identity.guard import Guard, Receive, Rules, Scope, Send
from sjs.gateway.identity.heads import HeadRules, wants_stream
from sjs.gateway.identity.patience import patient
from sjs.gateway.identity.tokens import Token, make
from tests.gateway.identity.calls import WITHIN

HEAD = HeadRules(hosts=["gate.example"], is_stream=lambda path: path == "/events")
KINDS = {"h11": H11Protocol, "httptools": HttpToolsProtocol}
MOST = 200_000
LATE = 1.5
"""Seconds for heads and bodies: what comes is sent at once, so that only what is never sent is late, if the machine is
not busy beyond measure."""


class Served:
    """What a server was asked for, and a token for it."""

    def __init__(self) -> None:
        self.token, shown = make("ann", ["read"], 0.0)
        self.auth = f"Authorization: Bearer {shown.reveal()}\r\n"
        self.asked: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        rules = Rules(HEAD, most_body=lambda method, path: MOST, grace=LATE, pause=LATE)
        entry = Entry(
            self.app, self.lookup, Admission(), public=["/healthz"], is_stream=lambda scope: wants_stream(scope, HEAD)
        )
        self.guarded = Guard(entry, rules)

    async def lookup(self, name: str) -> Token | None:
        return self.token if name == self.token.id else None

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client is gone")
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"fine"})

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def leave(self) -> None:
        """All connections are closed, those too of a test that failed."""
        for writer in self.writers:
            writer.close()
        for end in await asyncio.gather(*(one.wait_closed() for one in self.writers), return_exceptions=True):
            assert end is None or isinstance(end, OSError)

    async def ask(self, text: str | bytes) -> bytes:
        """All that comes until the connection is closed, or an answer of the application has come."""
        reader, writer = await self.connect()
        writer.write(text.encode("latin-1") if isinstance(text, str) else text)
        await asyncio.wait_for(writer.drain(), WITHIN)
        found = b""
        while not found.endswith(b"fine"):
            piece = await asyncio.wait_for(reader.read(65_536), WITHIN)
            found += piece
            if not piece or b'"request": "' in found:
                break
        return found

    async def status(self, text: str | bytes) -> int:
        return int((await self.ask(text)).split(b" ", 2)[1])


@asynccontextmanager
async def serving(kind: str) -> AsyncIterator[Served]:
    served = Served()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served.port = listening.getsockname()[1]
        config = uvicorn.Config(
            served.guarded,
            http=patient(KINDS[kind], LATE),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield served
        finally:
            await served.leave()
            server.should_exit = True
            server.force_exit = True
            await asyncio.wait_for(task, WITHIN)


def on_each(test: Callable[[Served], Awaitable[None]]) -> Callable[[str], None]:
    """The test, on both protocols that uvicorn has."""

    @pytest.mark.parametrize("kind", KINDS)
    def run(kind: str) -> None:
        async def go() -> None:
            async with serving(kind) as served:
                await test(served)

        asyncio.run(go())

    run.__name__ = test.__name__
    return run


GET = "GET /jobs HTTP/1.1\r\nHost: gate.example\r\n"
POST = "POST /jobs HTTP/1.1\r\nHost: gate.example\r\n"


@on_each
async def test_who_comes_from_elsewhere_is_refused(served: Served) -> None:
    auth = served.auth
    refused = {
        GET + "\r\n": 401,
        GET + "Authorization: Bearer x\r\n\r\n": 401,
        GET + auth + auth + "\r\n": 401,
        POST + auth + "Origin: https://evil.example\r\nContent-Length: 0\r\n\r\n": 403,
        POST + auth + "Origin: null\r\nContent-Length: 0\r\n\r\n": 403,
        POST + auth + "Sec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n\r\n": 403,
        GET.replace("/jobs", "/events") + auth + "Origin: https://evil.example\r\n\r\n": 403,
        GET + auth + "Accept: text/event-stream\r\nSec-Fetch-Site: same-site\r\n\r\n": 403,
        GET.replace("gate", "evil") + auth + "\r\n": 421,
        GET.replace("/jobs", "/jobs?token=x") + auth + "\r\n": 400,
        GET.replace("/jobs", f"/jobs?x={auth.split()[2]}") + "\r\n": 400,
        GET.replace("/jobs", "/jo%00bs") + auth + "\r\n": 400,
        GET + "Host: evil.example\r\n" + auth + "\r\n": 400,
        GET.replace("Host: gate.example\r\n", "") + auth + "\r\n": 400,
        POST + auth + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
        POST + auth + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde": 400,
        GET + auth + "".join(f"X-{number}: y\r\n" for number in range(100)) + "\r\n": 431,
    }
    found = {text: await served.status(text) for text in refused}
    assert found == refused
    assert served.asked == [], "none of them came through"
    assert await served.status(GET + auth + "\r\n") == 200
    assert served.asked == ["/jobs"]


@on_each
async def test_a_socket_for_the_web_is_only_a_request(served: Served) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
    assert await served.status(GET + upgrade + "Origin: https://evil.example\r\n\r\n") == 403
    assert await served.status(GET + upgrade + "\r\n") == 401


@on_each
async def test_who_sends_too_much_reads_why(served: Served) -> None:
    """All of it is sent before anything is read, as simple clients do: a closed connection would lose the answer."""
    body = b"a" * (MOST + 100_000)
    head = (POST + served.auth).encode()
    said = await served.ask(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    chunked = await served.ask(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
    for answer in (said, chunked):
        assert b" 413 " in answer.splitlines()[0]
        assert b"body_too_large" in answer
    assert b"connection: close" in said
    assert served.asked == ["/jobs"], "the one whose length was not said came as far as it was allowed"
    whole = b"Content-Length: %d\r\n\r\n" % MOST + body[:MOST]
    assert await served.status(head + whole) == 200


@on_each
async def test_nobody_waits_for_a_body_that_does_not_come(served: Served) -> None:
    bodies = ("Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    found = await asyncio.gather(*(served.status(POST + served.auth + body) for body in bodies))
    assert found == [408, 408]


@on_each
async def test_nobody_waits_for_a_head_that_does_not_come(served: Served) -> None:
    readers = []
    for text in (b"", b"GET", GET.encode(), GET.encode() + b"X-A: b\r\n"):
        reader, writer = await served.connect()
        writer.write(text)
        readers.append(reader)
    assert set(await asyncio.gather(*(_rest(reader) for reader in readers))) == {b""}
    assert await served.status(GET + served.auth + "\r\n") == 200


@on_each
async def test_nor_for_a_second_one_that_is_begun(served: Served) -> None:
    reader, writer = await served.connect()
    writer.write((GET + served.auth + "\r\n").encode())
    assert (await asyncio.wait_for(reader.readuntil(b"fine"), WITHIN)).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /jobs HT")
    assert await _rest(reader) == b""


@on_each
async def test_a_second_request_in_time_is_answered(served: Served) -> None:
    reader, writer = await served.connect()
    for _ in range(3):
        writer.write(GET.encode())
        writer.write((served.auth + "\r\n").encode())
        assert (await asyncio.wait_for(reader.readuntil(b"fine"), WITHIN)).startswith(b"HTTP/1.1 200")
    assert served.asked == ["/jobs"] * 3


@on_each
async def test_many_who_never_finish_keep_nobody_out(served: Served) -> None:
    """Slow loris: they are closed, one and all, and hold no place of a request meanwhile."""
    slow = [await served.connect() for _ in range(100)]
    for number, (_, writer) in enumerate(slow):
        writer.write(GET.encode() if number % 2 else (POST + "Content-Length: 9\r\n\r\n").encode())
    assert await served.status(GET + served.auth + "\r\n") == 200
    ends = await asyncio.gather(*(_rest(reader) for reader, _ in slow))
    assert {end.split(b" ")[1] if end else b"" for end in ends} == {b"", b"401", b"429"}
    assert served.guarded.open == 0


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection is closed, by whatever end."""
    found = b""
    try:
        while piece := await asyncio.wait_for(reader.read(65_536), WITHIN):
            found += piece
    except ConnectionResetError:
        pass  # an end, too
    return found


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LINGER_SECONDS", LATE)
