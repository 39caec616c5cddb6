"""One try to bring a message somewhere: HTTP/1.1 over a connection of its own, to an address that was looked at.
Nothing else is followed, no proxy, no redirect; of the answer, no more is read than its head."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httptools

from sjs import __version__
from sjs.errors import SjsError
from sjs.gateway.posting.addresses import Network, Place, check, place
from sjs.gateway.posting.schedule import Outcome, again

WITHIN = 15.0
"""Seconds for all of it."""

MOST_HEAD = 16_384
"""Bytes of an answer that are read."""

TRIED = 3
"""Addresses of a host."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host."""


class Sender:
    """Sends from one loop. `resolve` is asked once for each try; what it says is looked at, and connected to."""

    def __init__(
        self,
        allowed: Sequence[Network],
        resolve: Resolve,
        context: ssl.SSLContext | None = None,
        within: float = WITHIN,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._context = context or ssl.create_default_context()
        self._within = within

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What came of it; it raises nothing that the receiver could be the reason of."""
        try:
            return await asyncio.wait_for(self._sent(place(url), headers, body), self._within)
        except asyncio.TimeoutError:
            return Outcome(None, f"no answer within {self._within:g} s")
        except ssl.SSLCertVerificationError as error:
            return Outcome(None, f"its certificate: {error.verify_message}")
        except SjsError as error:
            return Outcome(None, error.message)
        except (OSError, UnicodeError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            return Outcome(None, f"{type(error).__name__}: {error}"[:500])

    async def _sent(self, to: Place, headers: Mapping[str, str], body: bytes) -> Outcome:
        found = check(await self._resolve(to.host, to.port), to, self._allowed)
        reader, writer = await self._connected(to, found[:TRIED])
        try:
            writer.write(_head(to, headers, len(body)) + body)
            return await _answered(reader)
        finally:
            writer.transport.abort()

    async def _connected(
        self, to: Place, addresses: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for last, address in zip((*[False] * (len(addresses) - 1), True), addresses, strict=True):
            try:
                return await asyncio.open_connection(
                    address,
                    to.port,
                    ssl=self._context if to.is_secure else None,
                    server_hostname=to.host if to.is_secure else None,
                )
            except ssl.SSLError:
                raise
            except OSError:
                if last:
                    raise
        raise AssertionError("there is one at least")


class _Answer:
    """The head of an answer, as it is read. One that only announces the real one (1xx) is passed over."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.again: str | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.again = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = max(self.status, self.parser.get_status_code())


async def _answered(reader: asyncio.StreamReader) -> Outcome:
    answer, size = _Answer(), 0
    while answer.status < 200:
        piece = await reader.read(4_096)
        size += len(piece)
        if not piece or size > MOST_HEAD:
            return Outcome(None, "it answered nothing that HTTP is")
        answer.parser.feed_data(piece)
    return _outcome(answer.status, answer.again)


def _head(to: Place, headers: Mapping[str, str], length: int) -> bytes:
    said = {
        "host": to.name,
        "user-agent": f"sjs/{__version__}",
        "content-type": "application/json",
        "content-length": str(length),
        "accept": "*/*",
        "connection": "close",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"POST {to.path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")


def _outcome(status: int, said: str | None) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status, "")
    if 300 <= status < 400:
        return Outcome(status, f"it answered {status}; webhooks follow nobody elsewhere")
    return Outcome(status, f"it answered {status}", again(said, time.time()))
