"""The API as it is served, over two real queues on this machine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

from sjs.config import Config
from sjs.gateway import tokens
from sjs.gateway.desk import Desk, opened
from sjs.gateway.identity.guard import App
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import SCOPES, make
from sjs.gateway.settings import Settings, usual
from sjs.gateway.web.app import guarded, native
from tests.gateway.databases import lay_out
from tests.hanging import stacks
from tests.live.machine import DEADLINE

HOST = "127.0.0.1"


@contextmanager
def served(desk: Desk, app: App) -> Iterator[int]:
    """A server in a thread of its own; its port."""
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=0, log_config=None, access_log=False, lifespan="off"))
    listens = threading.Event()

    async def serve() -> None:
        desk.hub.open()
        config = server.config
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        listens.set()
        await server.main_loop()
        desk.hub.close()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="server")
    thread.start()
    assert listens.wait(DEADLINE)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        assert not thread.is_alive(), f"the server does not end, while there are\n{stacks()}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "jobspecs").mkdir()
    lay_out(tmp_path / "gateway.db")
    return usual(str(tmp_path))


@pytest.fixture
def desk(settings: Settings, config: Config) -> Iterator[Desk]:
    with opened(settings, config, {}) as desk:
        yield desk


def bearer(
    desk: Desk, owner: str = "ann", scopes: Sequence[str] = SCOPES, limits: Limits | None = None
) -> dict[str, str]:
    """The header of a new token."""
    token, shown = make(owner, scopes, time.time(), limits=limits)
    desk.write(lambda connection: tokens.add(connection, token))
    return {"authorization": f"Bearer {shown.reveal()}"}


@pytest.fixture
def api(desk: Desk) -> Iterator[httpx.Client]:
    """Somebody who may do everything."""
    with served(desk, guarded(desk, native(desk, {}), [HOST])) as port, client(port, bearer(desk)) as asking:
        yield asking


def client(port: int, headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=f"http://{HOST}:{port}/api/v1", headers=headers, timeout=DEADLINE)
