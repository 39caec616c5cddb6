"""A process that puts what it is told to and is killed, or waits to be, at a chosen moment.

python -m tests.gateway.artifacts.killed WHERE MOMENT    WHERE: a folder, or JSON of a server and a bucket's prefix
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.artifacts.s3 import PART, S3Store
from sjs.gateway.artifacts.store import Store, key_of
from tests.gateway.artifacts.servers import Server

KEY = key_of(7, 1, "result.bin")
SIZE = PART + 100_000
WAITS = "waits"


def data() -> bytes:
    return b"0123456789abcdef" * (SIZE // 16)


def die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it is dead")


def pieces(moment: str) -> Iterator[bytes]:
    whole = data()
    yield whole[: PART + 1]
    if moment == WAITS:
        print("half", flush=True)
        sys.stdin.read()
    yield whole[PART + 1 :]


def call_by_call(moment: str) -> None:
    """Die instead of making a system call, or right after it."""
    when, name, count = moment.split(" ")
    real: Callable[..., Any] = getattr(os, name)
    left = [int(count)]

    def call(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0]:
            return real(*given, **named)
        if when == "after":
            real(*given, **named)
        die()

    setattr(os, name, call)


def opened(where: str) -> Store:
    if where.startswith("/"):
        return FolderStore(where)
    said = json.loads(where)
    server = Server(*said["server"])
    return S3Store(server.settings(prefix=said["prefix"]), server.environ, print)


def main(where: str, moment: str) -> None:
    store = opened(where)
    if moment != WAITS and isinstance(store, S3Store):
        when, request = moment.split(" ")
        store.client.meta.events.register(f"{'before-send' if when == 'before' else 'after-call'}.s3.{request}", die)
    elif moment != WAITS:
        call_by_call(moment)
    store.put(KEY, pieces(moment), "application/octet-stream", SIZE)
    print("put", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
