"""How far something has come that takes long: one line at a terminal, and none anywhere else."""

from __future__ import annotations

import sys
import threading
import time

from sjs.core.quantities import size_text

PATIENCE = 2.0
"""Seconds for which nobody wonders whether anything happens."""

TICK = 0.5
CLEAR = "\r\x1b[K"


class Meter:
    """Bytes that have arrived, of all machines of a command together."""

    def __init__(self, is_wanted: bool) -> None:
        self._is_wanted = is_wanted and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._due = self._began + PATIENCE
        self._arrived = self._expected = 0
        self._is_shown = False

    def add(self, arrived: int, expected: int) -> None:
        """So many more have arrived; of so many more it is known that they will."""
        with self._lock:
            self._arrived += arrived
            self._expected += expected
            now = time.monotonic()
            if self._is_wanted and now >= self._due:
                self._due = now + TICK
                self._is_shown = True
                rate = size_text(int(self._arrived / (now - self._began)))
                self._write(f"{CLEAR}{size_text(self._arrived)} of {size_text(self._expected)}, {rate}/s\r")

    def clear(self) -> None:
        """Make room for a line."""
        with self._lock:
            if self._is_shown:
                self._is_shown = False
                self._write(CLEAR)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
