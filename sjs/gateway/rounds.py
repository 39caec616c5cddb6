"""Work that many want at a time, done once for all of them. For one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Rounds:
    """Who comes while a round is under way has the next one, so what he knows of is seen by it. `rest`: seconds at most
    in which nobody begins again, of as many as a round took: it is not done all the time, however many want it."""

    def __init__(self, rest: float = 0.0) -> None:
        self._rest = rest
        self._next: dict[Hashable, asyncio.Task[Any]] = {}
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def join(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What the work gives back that is called so, by whomever of those who wait for it it was begun."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._round(key, work))
            task.add_done_callback(_heard)
        found: T = await asyncio.shield(task)
        return found

    async def _round(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        turn = self._turns.setdefault(key, asyncio.Lock())
        await turn.acquire()
        del self._next[key]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            return await work()
        finally:
            loop.call_later(min(self._rest, loop.time() - begun), turn.release)


def _heard(done: asyncio.Task[Any]) -> None:
    """Those who wait for it have what went wrong; perhaps all have gone."""
    if not done.cancelled():
        done.exception()
