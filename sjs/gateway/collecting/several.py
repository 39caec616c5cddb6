"""Works that wait for others, several at a time, and what comes of them one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Several(Generic[T]):
    """Of one who is waited for at its end. `most`: under way at a time."""

    def __init__(self, pool: Executor, most: int) -> None:
        self._pool = pool
        self._most = most
        self._under_way: deque[tuple[Future[T], Callable[[T], None]]] = deque()

    def begin(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Have it done; `then` gets what came of it, in the order of begins, by the thread that is here. What goes
        wrong is raised here, too, sooner or later."""
        if len(self._under_way) >= self._most:
            self._end_first()
        self._under_way.append((self._pool.submit(work), then))

    def _end_first(self) -> None:
        future, then = self._under_way.popleft()
        then(future.result())

    def __enter__(self) -> Several[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            while self._under_way and kind is None:
                self._end_first()
        finally:
            for future, _ in self._under_way:
                future.cancel()
