"""A gateway in a process of its own, to be killed or measured: `program.py CONFIG FOLDER SOCKET`.

CONFIG is JSON; FOLDER is where it keeps everything; SOCKET is the descriptor of one that listens already, so that who
asks while nobody serves waits for the next. Says "ready", serves until its input ends, then ends in peace.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sjs.config import from_mapping
from sjs.gateway import tokens
from sjs.gateway.desk import Desk, opened
from sjs.gateway.identity.guard import Scope
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import SCOPES, make
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from sjs.gateway.serving.log import Lines, Requests
from sjs.gateway.serving.servers import Servers
from sjs.gateway.settings import Settings, usual
from sjs.gateway.web.app import guarded, native
from sjs.gateway.web.health import Numbers
from sjs.values import replace
from tests.live.machine import ROOT

HOST = "127.0.0.1"
UNLIMITED = Limits(rate=1e6, burst=10**9, requests=10**6, streams=10**6, queued=10**9)


def listening() -> socket.socket:
    """A socket for any number of gateways, one after the other."""
    return socket.create_server((HOST, 0), backlog=1024)


def prepared(settings: Settings) -> str:
    """The text of a token of a database that is new, or that nobody has open."""
    engine = engine_of(settings.database)
    token, shown = make("ann", SCOPES, time.time(), limits=UNLIMITED)
    with owned(engine):
        migrate(engine)
        with engine.begin() as connection:
            tokens.add(connection, token)
    engine.dispose()
    return shown.reveal()


def started(config: Mapping[str, Any], folder: str, door: socket.socket, database: str = "") -> subprocess.Popen[bytes]:
    """The process, which may not be ready yet."""
    words = [json.dumps(config), folder, str(door.fileno()), database]
    argv = [sys.executable, "-m", "tests.gateway.program", *words]
    return subprocess.Popen(argv, cwd=ROOT, pass_fds=[door.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@contextmanager
def running(config: Mapping[str, Any], folder: str, door: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """One that is ready, and gone at the end."""
    with started(config, folder, door) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.stdin.close()


async def serve(desk: Desk, door: int, lines: Lines) -> None:
    """All that the program does for a request."""
    numbers, requests, servers = Numbers(desk), Requests(lines), Servers(desk.settings.patience)

    def done(scope: Scope, status: int, seconds: float) -> None:
        numbers.done(scope, status, seconds)
        requests.done(scope, status, seconds)

    desk.hub.open()
    await servers.listen(guarded(desk, native(desk, {}, numbers), [HOST], done), socket.socket(fileno=door))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    desk.hub.close()
    await servers.close(desk.settings.farewell)


def main(config: str, folder: str, door: int, database: str) -> None:
    settings = usual(folder)
    if database:
        settings = replace(settings, database=database)
    lines = Lines(os.open(os.devnull, os.O_WRONLY))
    with opened(settings, from_mapping(json.loads(config), {}), {}) as desk:
        asyncio.run(serve(desk, door, lines))
    lines.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
