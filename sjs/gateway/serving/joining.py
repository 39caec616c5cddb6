"""The head of an answer and its body in one write, where uvicorn has one for each: each is a call of the system, and
lets other threads have the interpreter."""

from __future__ import annotations

import asyncio
from typing import Any

MOST = 16_384
"""Bytes of what waits for what follows it, and of that: more is not copied."""


def joined(kind: Any) -> Any:
    """One of uvicorn's protocols, which writes so. It is what `uvicorn.Config(http=…)` takes."""

    class Joined(kind):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(Joining(transport))

    return Joined


class Joining:
    """A transport. What is written there goes with what is written next, or, if nothing is, as soon as the loop has
    done what it is at."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if len(data) > MOST:
            self._let_go()
            self._transport.write(data)
        elif self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data:
            self._held = data
            asyncio.get_running_loop().call_soon(self._let_go)

    def close(self) -> None:
        """Once what was written has gone."""
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._transport.write(held)
