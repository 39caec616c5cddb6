"""Servers of HTTP in one loop: what uvicorn's own does around its protocols, for several places at once, woken by what
happens and by nothing else."""

from __future__ import annotations

import asyncio
import socket
import ssl
from email.utils import formatdate
from time import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from sjs.gateway.identity.guard import App
from sjs.gateway.identity.patience import patient
from sjs.gateway.serving.joining import joined

BACKLOG = 1024
KEEP_ALIVE = 75
"""Seconds: longer than proxies keep theirs, so that it is not we who hang up just when one asks."""


class Servers:
    """All that are asked here. `patience`: seconds for the head of a request, and for a handshake."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._state = ServerState()
        self._kind = _watched(patient(joined(HttpToolsProtocol), patience), self)
        self._servers: list[asyncio.Server] = []
        self._lost = asyncio.Event()
        self._second = 0

    async def listen(self, app: App, at: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Answer who comes there."""
        config = uvicorn.Config(
            app,
            http=self._kind,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        config.load()
        self._servers.append(
            await asyncio.get_running_loop().create_server(
                lambda: self._kind(config=config, server_state=self._state, app_state={}),
                sock=at,
                ssl=tls,
                ssl_handshake_timeout=self._patience if tls else None,
                backlog=BACKLOG,
            )
        )

    async def close(self, within: float) -> int:
        """Let nobody in any more, and those who are here have their answers; after so many seconds their connections
        are cut. How many were."""
        for server in self._servers:
            server.close()
        for one in list(self._state.connections):
            one.shutdown()
        try:
            await asyncio.wait_for(self._all_gone(), within)
            return 0
        except asyncio.TimeoutError:
            late = list(self._state.connections)
            for one in late:
                one.transport.abort()
            for task in self._state.tasks:
                task.cancel()
            return len(late)

    async def _all_gone(self) -> None:
        while self._state.connections:
            self._lost.clear()
            await self._lost.wait()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks)

    def lost(self) -> None:
        """A connection has ended."""
        self._lost.set()

    def keep_date(self) -> None:
        """The date that answers have from now on."""
        now = int(time())
        if now != self._second:
            self._second = now
            self._state.default_headers = [(b"date", formatdate(now, usegmt=True).encode("ascii"))]


def _watched(kind: Any, servers: Servers) -> Any:
    class Watched(kind):  # type: ignore[misc]
        def data_received(self, data: bytes) -> None:
            servers.keep_date()
            super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            servers.lost()

    return Watched
