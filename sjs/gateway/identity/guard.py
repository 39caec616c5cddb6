"""What stands before everything that answers: hosts, origins, sizes, slow bodies, headers of answers. Plain ASGI.

server -> Guard -> Entry -> the API
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from time import perf_counter
from typing import Any, TypeVar

from sjs.gateway.identity.drawing import Words
from sjs.gateway.identity.heads import HeadRules, check_head, declared_length, has_body, wants_stream
from sjs.gateway.identity.refusals import Headers, Refusal, document
from sjs.values import dataclass

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Done = Callable[[Scope, int, float], None]
"""Hears of a request that is over: with which status it was answered (0: not at all), and in how many seconds."""

NO_CONTENT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The policy for answers that are no pages."""

REQUEST: ContextVar[str] = ContextVar("REQUEST")
"""The id of the request on whose behalf something is done, for whoever has something to say meanwhile; it stays with
what the server has to say behind us."""

LINGER_BYTES = 1_048_576
LINGER_SECONDS = 2.0
"""How much is still read of a body that was refused: a connection that is closed with bytes unread loses the answer,
too."""

_BAD_VALUE = re.compile(rb"[\x00\r\n]")
_BUSY = Refusal(503, "busy", "too many requests are open", {"retry-after": "1"})
_SLOW = Refusal(408, "too_slow", "the body came too slowly")
_BROKEN = Refusal(500, "bad_answer", "the answer had a header that can not be sent")


T = TypeVar("T")

if sys.version_info >= (3, 11):

    async def within(work: Awaitable[T], seconds: float) -> T:
        """What it gives back, in so many seconds; else asyncio.TimeoutError. As asyncio's own of later versions, which
        makes no task for it."""
        async with asyncio.timeout(seconds):
            return await work
else:
    within = asyncio.wait_for


@dataclass(frozen=True)
class Rules:
    """`most_body`: bytes of a body, by method and path; `slowest`: bytes a second that a body comes with at least,
    after a time of `grace`, and it never pauses for longer than `pause`; `policy`: the Content-Security-Policy of
    answers that bring none; `most_requests`, `most_streams`: open at a time, of all callers."""

    head: HeadRules
    most_body: Callable[[str, str], int] = lambda method, path: 1_048_576
    grace: float = 20.0
    slowest: float = 16_384.0
    pause: float = 20.0
    policy: str = NO_CONTENT
    most_requests: int = 256
    most_streams: int = 2_048


def nobody(scope: Scope, status: int, seconds: float) -> None:
    """A `Done` that does nothing."""


class Guard:
    """An ASGI application before another. The id of each request is in scope["state"]["request_id"]; an application
    that leaves a Refusal in scope["state"]["refusal"], and sends nothing, has it sent."""

    def __init__(self, app: App, rules: Rules, done: Done = nobody) -> None:
        self._app = app
        self._rules = rules
        self._done = done
        self._names = Words(8)
        self.open = 0
        self.streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # there are none here, of whatever origin
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = perf_counter()
        request = self._names.next()
        scope.setdefault("state", {})["request_id"] = request
        REQUEST.set(request)
        answer = _Answer(send, self._rules.policy, request)
        try:
            await self._answered(scope, receive, answer)
        finally:
            self._done(scope, answer.status, perf_counter() - begun)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        is_stream = wants_stream(scope, self._rules.head)
        most = self._rules.most_streams if is_stream else self._rules.most_requests
        is_busy = (self.streams if is_stream else self.open) >= most
        refusal = _BUSY if is_busy else check_head(scope, self._rules.head)
        if refusal is not None:
            await answer.refuse(refusal, receive, has_body(scope))
            return
        most = self._rules.most_body(scope["method"], scope["path"])
        length = declared_length(scope)
        if length is not None and length > most:
            await answer.refuse(_too_large(most), receive, has_body(scope))
            return
        self.open += not is_stream
        self.streams += is_stream
        try:
            await self._pass(scope, _Body(receive, self._rules, most, length == 0), answer)
        finally:
            self.open -= not is_stream
            self.streams -= is_stream

    async def _pass(self, scope: Scope, body: _Body, answer: _Answer) -> None:
        async def send(message: Message) -> None:
            if body.refusal is None or answer.has_begun:
                await answer.send(message)

        try:
            await self._app(scope, body.receive, send)
        except Exception:
            if body.refusal is None or answer.has_begun:
                raise
        # what the application makes of half a body is not what is to be said of it
        refusal = body.refusal or answer.refusal or scope["state"].get("refusal")
        if refusal is not None and not answer.has_begun:
            await answer.refuse(refusal, body.rest, not body.is_whole)


class _Body:
    """A body as it comes: counted, and not waited for without end. After a refusal, the caller is gone to the
    application."""

    def __init__(self, receive: Receive, rules: Rules, most: int, is_whole: bool) -> None:
        self.rest = receive
        self.refusal: Refusal | None = None
        self._rules = rules
        self._most = most
        self.is_whole = is_whole
        self._count = 0
        self._waited = 0.0

    async def receive(self) -> Message:
        if self.refusal is not None:
            return {"type": "http.disconnect"}
        if self.is_whole:
            return await self.rest()
        message = await self._next()
        if message is None:
            self.refusal = _SLOW
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
        if self._count > self._most:
            self.refusal = _too_large(self._most)
            return {"type": "http.disconnect"}
        return message

    async def _next(self) -> Message | None:
        """What comes next; None if that takes too long. Only waiting counts: what the application does meanwhile is not
        the caller's slowness."""
        left = self._rules.grace + self._count / self._rules.slowest - self._waited
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            return await within(self.rest(), max(0.0, min(left, self._rules.pause)))
        except asyncio.TimeoutError:
            return None
        finally:
            self._waited += clock() - begun


class _Answer:
    """What is sent, with the headers that all answers have."""

    def __init__(self, send: Send, policy: str, request: str) -> None:
        self.has_begun = False
        self.status = 0
        self.refusal: Refusal | None = None
        self._send = send
        self._policy = policy
        self._request = request

    async def send(self, message: Message) -> None:
        if self.refusal is not None:
            return
        if message["type"] == "http.response.start":
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            if any(_BAD_VALUE.search(name) or _BAD_VALUE.search(value) for name, value in headers):
                self.refusal = _BROKEN
                return
            self.has_begun = True
            self.status = message["status"]
            message = {**message, "headers": secured(headers, self._policy, self._request)}
        await self._send(message)

    async def refuse(self, refusal: Refusal, receive: Receive, has_more: bool) -> None:
        """The answer first; its end, with which the connection is closed, when little or nothing more of the body
        comes."""
        self.refusal = None
        headers, text = document(refusal, self._request)
        headers += [(b"connection", b"close")] if has_more else []
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        if has_more:
            await self._send({"type": "http.response.body", "body": text, "more_body": True})
            await _linger(receive)
            text = b""
        await self._send({"type": "http.response.body", "body": text})


async def _linger(receive: Receive) -> None:
    async def read() -> None:
        left = LINGER_BYTES
        while left > 0:
            message = await receive()
            left -= len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return

    try:
        await asyncio.wait_for(read(), LINGER_SECONDS)
    except asyncio.TimeoutError:
        return  # who still sends loses the connection


def secured(headers: Headers, policy: str, request: str) -> Headers:
    """The headers of an answer, and those that all have; what an answer says itself of its policy, its keeping and
    what is told of it elsewhere stands."""
    there = [name.lower() for name, _ in headers]
    if not _NAMES.isdisjoint(there):
        headers = [(name, value) for name, value in headers if name.lower() not in _NAMES]
    found = [*headers, *_ALWAYS, (b"x-request-id", request.encode("ascii"))]
    if b"content-security-policy" not in there:
        found.append((b"content-security-policy", policy.encode("ascii")))
    if b"cache-control" not in there:
        found.append((b"cache-control", b"no-store"))
    if b"referrer-policy" not in there:
        found.append((b"referrer-policy", b"no-referrer"))
    return found


_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_NAMES = frozenset([b"x-request-id", *(name for name, _ in _ALWAYS)])


def _too_large(most: int) -> Refusal:
    return Refusal(413, "body_too_large", f"the body may have {most} bytes")
