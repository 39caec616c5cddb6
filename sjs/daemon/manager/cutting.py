"""In the manager: bytes as they come, cut into lines, however long they may be."""

from __future__ import annotations

from typing import Optional


class Lines:
    """Bytes as they come, cut into lines. A line longer than the limit is dropped up to its end, and counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0
        self._skipping = False
        self.dropped = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Optional[bytes]:
        """The next whole line, without its end."""
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end < 0:
                self._searched = len(self._buffer)
                if self._searched > self._limit:
                    self._buffer.clear()
                    self._searched = 0
                    self._skipping = True
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            if not self._skipping and len(line) <= self._limit:
                return line
            self._skipping = False
            self.dropped += 1

    def __len__(self) -> int:
        return len(self._buffer)
