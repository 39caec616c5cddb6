"""A store that knows what is being read from it, so that nothing is removed under somebody's hands."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from sjs.gateway.artifacts.store import Reading, Store, Stored


class Lending:
    """Any store, as it is, and besides which of its artifacts are open. Those that S3 gives away by its own links are
    not known here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def is_open(self, key: str) -> bool:
        """Whether somebody reads it."""
        return key in self._open

    def open(self, key: str, start: int = 0, length: int | None = None) -> Reading:
        self._count(key, 1)
        try:
            return _Lent(self, key, self._store.open(key, start, length))
        except BaseException:
            self._count(key, -1)
            raise

    def _count(self, key: str, more: int) -> None:
        with self._lock:
            self._open[key] += more
            if not self._open[key]:
                del self._open[key]

    def check(self) -> None:
        self._store.check()

    def put(self, key: str, pieces: Iterable[bytes], mime: str, limit: int) -> Stored:
        return self._store.put(key, pieces, mime, limit)

    def size(self, key: str) -> int:
        return self._store.size(key)

    def delete(self, keys: Iterable[str]) -> None:
        self._store.delete(keys)

    def delete_below(self, prefix: str) -> int:
        return self._store.delete_below(prefix)

    def link(self, key: str, name: str, mime: str, seconds: int, disposition: str | None = None) -> str | None:
        return self._store.link(key, name, mime, seconds, disposition)

    def tidy(self, now: float) -> int:
        return self._store.tidy(now)

    def close(self) -> None:
        self._store.close()


class _Lent:
    """It is given back at its end, or when it is closed."""

    def __init__(self, lending: Lending, key: str, reading: Reading) -> None:
        self._lending = lending
        self._key = key
        self._reading = reading
        self._is_out = True

    def __iter__(self) -> _Lent:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._reading)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._is_out:
            self._is_out = False
            self._lending._count(self._key, -1)
        self._reading.close()
