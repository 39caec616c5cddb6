"""What has come from a program, in lines and pieces, and the end of what it complained of."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sjs.errors import LinkLost

MAX_AHEAD = 8 << 20
"""More than this much unread is no answer to anything: the other side has gone astray."""

MAX_COMPLAINT = 4096


class Incoming(ABC):
    """The reading half of a stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._complaint = bytearray()
        self._has_heard = False

    def line(self, deadline: float) -> bytes:
        """The next line, without its end."""
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            self._more(deadline)
        found = self._cut(end)
        del self._buffer[:1]
        return found

    def take(self, count: int, deadline: float) -> bytes:
        """Exactly the next `count` bytes."""
        while len(self._buffer) < count:
            self._more(deadline)
        return self._cut(count)

    @abstractmethod
    def _more(self, deadline: float) -> None:
        """Wait for something to happen; raise TimeoutError, or LinkLost once nothing more can come."""

    def _came(self, data: bytes) -> None:
        self._buffer += data
        self._has_heard |= bool(data)
        if len(self._buffer) > MAX_AHEAD:
            raise LinkLost("the other side sends more than anybody asked for")

    def _complained(self, data: bytes) -> None:
        self._complaint = (self._complaint + data)[-MAX_COMPLAINT:]

    @property
    def _last_complaint(self) -> str:
        lines = self._complaint.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def _cut(self, count: int) -> bytes:
        self._searched = 0
        with memoryview(self._buffer) as whole:
            found = bytes(whole[:count])
        del self._buffer[:count]
        return found
