"""In the manager: a good copy of the database beside it, made while the queue works and when it stops.

A large one is copied by a thread of its own, a few pages at a time: the one thing that is not done in the loop, for it
takes as long as the database is large. Nothing depends on when it is done.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Callable

from sjs.daemon.ground.kernel import sync_folder
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places
from sjs.daemon.queue.database import Damaged, Interrupted, StorageError
from sjs.daemon.queue.store import Store

EVERY = 3600.0
"""Seconds between copies, if there is something new."""

SHARE = 100
"""A copy is made for at most one part in so many of the time."""

SMALL = 1 << 20
"""Bytes of a database that is copied in the turn: that takes some milliseconds, once in an hour."""

AT_THE_END = 64 << 20
"""Bytes of a database that is copied once more before an orderly end."""


class Copies:
    """The good copy of one queue's database. `fits`: whether so many bytes may be taken of the disk."""

    def __init__(self, where: Places, store: Store, fits: Callable[[int], bool]) -> None:
        self._where = where
        self._store = store
        self._fits = fits
        self._thread = threading.Thread()
        self._enough = threading.Event()
        self._changed = False
        self._due = time.monotonic() + EVERY - _age(where.good)

    def committed(self) -> None:
        """Something was made durable: should the last copy be old, begin another."""
        self._changed = True
        if time.monotonic() < self._due or self._thread.is_alive():
            return
        self._changed = False
        self._due = time.monotonic() + EVERY
        if os.path.getsize(self._where.database) <= SMALL:
            self._make(0.0)
            return
        self._thread = threading.Thread(target=self._make, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = threading.Thread()
            note(f"no copy of {self._where.database}: {error}")

    def close(self) -> None:
        """Before an orderly end: copy what is new, if it is not much."""
        self._enough.set()
        if self._thread.is_alive():
            self._thread.join()
            self._changed = True
        if self._changed and os.path.getsize(self._where.database) <= AT_THE_END:
            self._enough.clear()
            self._make(0.0)

    def _make(self, pause: float = 0.02) -> None:
        began = time.monotonic()
        new = f"{self._where.good}.new"
        try:
            if self._fits(os.path.getsize(self._where.database)):
                self._store.copy_to(new, pause, self._enough.is_set)
                os.rename(new, self._where.good)
                sync_folder(self._where.state)
        except Interrupted:
            return
        except (StorageError, OSError, Damaged) as error:
            note(f"no copy of {self._where.database} could be made: {error}")
        self._due = max(self._due, time.monotonic() + SHARE * (time.monotonic() - began))


def _age(path: str) -> float:
    """Seconds since the file was written; very many if there is none."""
    try:
        return max(0.0, time.time() - os.stat(path).st_mtime)
    except FileNotFoundError:
        return EVERY
