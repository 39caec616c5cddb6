"""Requests as a server hands them to an application, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from sjs.gateway.identity.guard import App, Message, Receive, Scope, Send
from sjs.values import dataclass, field

HOST = (b"host", b"gate.example:8765")
WITHIN = 20.0
"""Seconds; nothing here waits for anything, so whoever takes so long hangs."""


def scope(method: str = "GET", path: str = "/jobs", *headers: tuple[bytes, bytes], query: bytes = b"") -> Scope:
    """Without a Host among the headers, it has a good one."""
    has_host = any(name.lower() == b"host" for name, _ in headers)
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "headers": [*([] if has_host else [HOST]), *headers],
        "client": ("192.0.2.1", 1234),
        "state": {},
    }


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_whole: bool = False
    read: int = 0

    @property
    def code(self) -> str:
        """Of a problem document."""
        return str(json.loads(self.body)["code"])


def parts(*bodies: bytes) -> list[Message]:
    """A body in pieces."""
    return [{"type": "http.request", "body": one, "more_body": at < len(bodies)} for at, one in enumerate(bodies, 1)]


async def ask(app: App, asked: Scope, messages: Iterable[Message] | None = None) -> Answer:
    """What is answered; after its messages, the caller stays and sends no more."""
    answer = Answer()
    left = iter(parts(b"") if messages is None else messages)

    async def receive() -> Message:
        await asyncio.sleep(0)  # as a server would: whoever only reads can be ended
        message = next(left, None)
        if message is None:
            await asyncio.Event().wait()
        assert message is not None
        answer.read += len(message.get("body", b""))
        return message

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not answer.status, "an answer begins once"
            answer.status = message["status"]
            pairs = [(name.decode(), value.decode()) for name, value in message["headers"]]
            assert len({name for name, _ in pairs}) == len(pairs), "no header twice"
            answer.headers = dict(pairs)
        else:
            assert answer.status and not answer.is_whole
            answer.body += message.get("body", b"")
            answer.is_whole = not message.get("more_body", False)

    await asyncio.wait_for(app(asked, receive, send), WITHIN)
    return answer


def run(app: App, asked: Scope, messages: Sequence[Message] | None = None) -> Answer:
    return asyncio.run(ask(app, asked, messages))


@dataclass
class Behind:
    """An application that reads the whole body, and tells of it."""

    headers: Sequence[tuple[bytes, bytes]] = ()
    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    gone: int = 0

    async def __call__(self, asked: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(asked)
        body, more = b"", True
        while more:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                self.gone += 1
                break
            body += message["body"]
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"fine"})
