"""Connections that stay for a moment, for whoever is told one thing after the other: greeted once, not each time. One
leads to the address that it was made to, and is used again only for who has that address, as was just looked up.

    asked -> its head has come, which is the answer -> its body, of which nothing is kept -> idle -> asked …
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from functools import partial
from typing import cast

import httptools

from sjs.errors import SjsError
from sjs.gateway.posting.addresses import Place
from sjs.values import dataclass

MOST_HEAD = 16_384
"""Bytes of an answer's head that are read."""

MOST_BODY = 65_536
"""Bytes of its body that are read, so that the connection can be used again."""

KEPT = 15.0
"""Seconds after an answer for which a connection is kept, while its body comes and then."""

MOST_KEPT = 64
"""Connections; the oldest goes first."""


class NoAnswer(SjsError):
    """What came is none; or nothing did, and the connection has ended. `is_stale`: by it something was answered before,
    so it may have ended just when the next thing was asked."""

    def __init__(self, is_stale: bool = False) -> None:
        super().__init__("it answered nothing that HTTP is")
        self.is_stale = is_stale


@dataclass(frozen=True)
class Answer:
    """The head of one, as far as it counts."""

    status: int
    again: str | None


class Line(asyncio.Protocol):
    """One connection: one is asked at a time. Whatever comes unasked ends it."""

    def __init__(self, lines: Lines, to: Place, address: str) -> None:
        self.leads = (to.is_secure, to.host, to.port, address)
        self._lines = lines
        self._answer: asyncio.Future[Answer] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._head = 0
        self._was_used = False
        self._is_over = True

    async def ask(self, text: bytes) -> Answer:
        """What is answered, or NoAnswer. Whoever waits no longer ends it."""
        if self._transport.is_closing():
            raise NoAnswer(self._was_used)
        self._parser = httptools.HttpResponseParser(self)
        self._again: str | None = None
        self._head = self._body = 0
        self._is_over = False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(text)
        try:
            return await self._answer
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Hang up."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        self._lines.forget(self)
        self._fail(NoAnswer(self._was_used and not self._head))

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self.end()
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
            is_odd = not self._is_answered and self._head > MOST_HEAD
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            is_odd = True
        if is_odd:
            self._fail(NoAnswer())
        if is_odd or self._body > MOST_BODY:
            self.end()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self._again = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._body += len(data)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._answer is not None and not self._answer.done():  # 1xx only announces the real one
            self._answer.set_result(Answer(status, self._again))
            self._late = asyncio.get_running_loop().call_later(KEPT, self.end)
            self._lines.add(self)

    def on_message_begin(self) -> None:
        if self._is_over:
            self.end()

    def on_message_complete(self) -> None:
        if self._is_answered:
            self._is_over = self._was_used = True
            if not self._parser.should_keep_alive():
                self.end()

    @property
    def _is_answered(self) -> bool:
        return self._answer is not None and self._answer.done()

    @property
    def is_idle(self) -> bool:
        """Whether it can be asked something."""
        return self._is_over and not self._transport.is_closing()

    def take(self) -> None:
        """It is about to be asked."""
        if self._late is not None:
            self._late.cancel()

    def _fail(self, error: NoAnswer) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class Lines:
    """Of one loop."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._known: dict[Line, None] = {}

    def kept(self, to: Place, addresses: Sequence[str]) -> Line | None:
        """A connection that leads to one of these, and is idle."""
        wanted = [(to.is_secure, to.host, to.port, address) for address in addresses]
        found = next((one for one in self._known if one.is_idle and one.leads in wanted), None)
        if found is not None:
            del self._known[found]
            found.take()
        return found

    async def made(self, to: Place, addresses: Sequence[str]) -> Line:
        """A new one, to the first of these that answers."""
        loop = asyncio.get_running_loop()
        context, name = (self._context, to.host) if to.is_secure else (None, None)
        for last, address in zip((*[False] * (len(addresses) - 1), True), addresses, strict=True):
            opening = loop.create_connection(
                partial(Line, self, to, address), address, to.port, ssl=context, server_hostname=name
            )
            try:
                return (await opening)[1]
            except ssl.SSLError:
                raise
            except OSError:
                if last:
                    raise
        raise AssertionError("there is one at least")

    def add(self, line: Line) -> None:
        """It may be used again, soon."""
        self._known[line] = None
        if len(self._known) > MOST_KEPT:
            next(iter(self._known)).end()

    def forget(self, line: Line) -> None:
        self._known.pop(line, None)

    def close(self) -> None:
        """Hang up everywhere."""
        for line in list(self._known):
            line.end()
