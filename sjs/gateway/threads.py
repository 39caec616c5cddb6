"""Threads for questions to machines: each may take as long as a machine is away, so they are counted, for each machine,
too, and nobody waits for them at the end."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Generic, TypeVar

from sjs.departure import Departure
from sjs.errors import Unreachable

T = TypeVar("T")

Said = Callable[[], None]

AHEAD = 8
"""Pieces that are read before somebody has taken them."""


class Busy(Unreachable):
    """Too much is asked at once."""

    code = "busy"


class Threads:
    """`most` at a time, `each` of them for one machine."""

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    async def ask(self, name: str, work: Callable[[], T]) -> T:
        """What the work for this machine gives back. Who goes before leaves the thread behind."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: Exception | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(value)  # type: ignore[arg-type]

        def ask() -> Said:
            value, error = None, None
            try:
                value = work()
            except Exception as raised:  # noqa: BLE001 (whoever waits for it gets it)
                error = raised
            return lambda: settle(value, error)

        self._start(loop, name, ask)
        return await answer

    async def stream(
        self, name: str, begin: Callable[[], Iterator[T]], departure: Departure | None = None
    ) -> AsyncGenerator[T, None]:
        """What it gives, one after the other, no faster than it is taken. It is closed at the first piece after whoever
        took them has gone; `departure` is told of that, for who waits long for a piece."""
        loop = asyncio.get_running_loop()
        pieces = _Pieces[T](loop)
        self._start(loop, name, lambda: pieces.copy(begin))
        try:
            async for piece in pieces.all():
                yield piece
        finally:
            pieces.leave()
            if departure is not None:
                departure.tell()

    def count(self, name: str) -> int:
        """How much one machine is asked just now."""
        return self._open[name]

    def check(self, name: str) -> None:
        """Busy where there is no room for another one."""
        if self._open.total() >= self._most or self._open[name] >= self._each:
            raise Busy(f"{name} is asked too much at once", "ask again a little later")

    def _start(self, loop: asyncio.AbstractEventLoop, name: str, work: Callable[[], Said]) -> None:
        """Do the work in a thread; what comes of it is told when there is room for another one."""
        with self._lock:
            self.check(name)
            self._open[name] += 1

        def run() -> None:
            try:
                said = work()
            finally:
                with self._lock:
                    self._open[name] -= 1
            _tell(loop, said)

        threading.Thread(target=run, name=f"sjs asks {name}", daemon=True).start()


class _Pieces(Generic[T]):
    """From a thread to a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._room = threading.Semaphore(AHEAD)
        self._left = threading.Event()
        self._there: deque[T] = deque()
        self._error: Exception | None = None
        self._is_over = False
        self._wakes = asyncio.Event()

    def copy(self, begin: Callable[[], Iterator[T]]) -> Said:
        error = None
        try:
            for piece in begin():
                self._room.acquire()
                if self._left.is_set() or not _tell(self._loop, lambda piece=piece: self._came(piece)):  # type: ignore[misc]
                    break
        except Exception as raised:  # noqa: BLE001 (whoever takes the pieces gets it)
            error = raised
        return lambda: self._ended(error)

    def leave(self) -> None:
        self._left.set()
        self._room.release()

    def _came(self, piece: T) -> None:
        self._there.append(piece)
        self._wakes.set()

    def _ended(self, error: Exception | None) -> None:
        self._error, self._is_over = error, True
        self._wakes.set()

    async def all(self) -> AsyncGenerator[T, None]:
        while True:
            while self._there:
                yield self._there.popleft()
                self._room.release()
            if self._is_over:
                break
            await self._wakes.wait()
            self._wakes.clear()
        if self._error is not None:
            raise self._error


def _tell(loop: asyncio.AbstractEventLoop, said: Said) -> bool:
    """Whether the loop is still there to hear it."""
    try:
        loop.call_soon_threadsafe(said)
    except RuntimeError:
        return False
    return True
