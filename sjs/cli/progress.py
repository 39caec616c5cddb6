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
        self._bytes = 0
        self._is_shown = False

    def add(self, count: int) -> None:
        """So many more have arrived."""
        with self._lock:
            self._bytes += count
            now = time.monotonic()
            if self._is_wanted and now >= self._due:
                self._due = now + TICK
                self._is_shown = True
                self._write(f"{CLEAR}{size_text(self._bytes)}, {size_text(int(self._bytes / (now - self._began)))}/s\r")

    def clear(self) -> None:
        """Make room for a line."""
        with self._lock:
            if self._is_shown:
                self._is_shown = False
                self._write(CLEAR)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
