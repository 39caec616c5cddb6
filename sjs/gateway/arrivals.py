"""What threads have done, brought into event loops: all that ends at a time by one call. Each call wakes the loop,
which costs who calls more than what he has done, and takes the interpreter from him."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

Arrived = tuple["asyncio.Future[Any]", "Future[Any]"]


class Arrivals:
    """For any number of loops and threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: dict[asyncio.AbstractEventLoop, list[Arrived]] = {}

    async def of(self, done: Future[T]) -> T:
        """What becomes of it, in the loop that runs now. Who goes before leaves it as it is."""
        loop = asyncio.get_running_loop()
        waits: asyncio.Future[T] = loop.create_future()
        done.add_done_callback(partial(self._arrive, loop, waits))
        return await waits

    def _arrive(self, loop: asyncio.AbstractEventLoop, waits: asyncio.Future[Any], done: Future[Any]) -> None:
        with self._lock:
            there = self._there.setdefault(loop, [])
            is_first = not there
            there.append((waits, done))
        if is_first:
            try:
                loop.call_soon_threadsafe(self._bring, loop)
            except RuntimeError:
                self._taken(loop)  # it has ended, and with it all who waited

    def _taken(self, loop: asyncio.AbstractEventLoop) -> list[Arrived]:
        with self._lock:
            return self._there.pop(loop)

    def _bring(self, loop: asyncio.AbstractEventLoop) -> None:
        for waits, done in self._taken(loop):
            if waits.done():
                continue
            error = done.exception()
            if error is not None:
                waits.set_exception(error)
            else:
                waits.set_result(done.result())
