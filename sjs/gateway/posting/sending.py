"""One try to bring a message somewhere: HTTP/1.1 over a connection to an address that was just looked at. Nothing else
is followed, no proxy, no redirect; of the answer, no more is waited for than its head."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sjs import __version__
from sjs.errors import SjsError
from sjs.gateway.posting.addresses import Network, Place, check, place
from sjs.gateway.posting.lines import Lines, NoAnswer
from sjs.gateway.posting.schedule import Outcome, again

WITHIN = 15.0
"""Seconds for all of it."""

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
        self._lines = Lines(context or ssl.create_default_context())
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
        except (OSError, UnicodeError) as error:
            return Outcome(None, f"{type(error).__name__}: {error}"[:500])

    def close(self) -> None:
        """Hang up where connections are kept."""
        self._lines.close()

    async def _sent(self, to: Place, headers: Mapping[str, str], body: bytes) -> Outcome:
        found = check(await self._resolve(to.host, to.port), to, self._allowed)
        said = _head(to, headers, len(body)) + body
        line = self._lines.kept(to, found) or await self._lines.made(to, found[:TRIED])
        try:
            answer = await line.ask(said)
        except NoAnswer as error:
            if not error.is_stale:
                raise
            answer = await (await self._lines.made(to, found[:TRIED])).ask(said)  # it hung up just when it was asked
        return _outcome(answer.status, answer.again)


def _head(to: Place, headers: Mapping[str, str], length: int) -> bytes:
    said = {
        "host": to.name,
        "user-agent": f"sjs/{__version__}",
        "content-type": "application/json",
        "content-length": str(length),
        "accept": "*/*",
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
