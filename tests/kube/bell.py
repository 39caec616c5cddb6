"""Wakes whoever waits in `select`, so that one can wait for news and for the other end to hang up at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Bell:
    """Rung on every change; each listener has a file descriptor that becomes readable."""

    def __init__(self) -> None:
        self._ears: set[int] = set()
        self._lock = threading.Lock()

    def ring(self) -> None:
        with self._lock:
            for ear in self._ears:
                os.eventfd_write(ear, 1)

    @contextmanager
    def listening(self) -> Iterator[int]:
        ear = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        with self._lock:
            self._ears.add(ear)
        try:
            yield ear
        finally:
            with self._lock:
                self._ears.discard(ear)
            os.close(ear)


def heard(ear: int) -> None:
    """Forget what was rung so far."""
    with suppress(BlockingIOError):
        os.eventfd_read(ear)
