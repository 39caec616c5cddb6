"""Somebody for whom something is waited for, in another thread than his own, and who may go before it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sjs.errors import SjsError


class Departed(SjsError):
    """Nobody wants any more what is waited for."""

    code = "departed"


class Departure:
    """Told once, by any thread; from then on nobody waits for him."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake: Callable[[], None] | None = None
        self._is_told = False

    def tell(self) -> None:
        """He has gone: wake who waits for him."""
        with self._lock:
            self._is_told = True
            if self._wake is not None:
                self._wake()

    @contextmanager
    def heard(self, wake: Callable[[], None]) -> Iterator[None]:
        """Meanwhile `wake` is called when he goes, which must not wait for anything. Departed if he has gone."""
        with self._lock:
            if self._is_told:
                raise Departed("whoever asked has gone")
            self._wake = wake
        try:
            yield
        finally:
            with self._lock:
                self._wake = None
