"""In the keeper: what the kernel tells of its children. A signal only wakes; what has happened is looked at then."""

from __future__ import annotations

import os
import selectors
import signal
from typing import Any, Iterator, Tuple


class Wakeup:
    """Wakes the selector when a child has ended, or somebody wants an end (SIGTERM)."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._fd, writing = os.pipe()
        os.set_blocking(self._fd, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)
        selector.register(self._fd, selectors.EVENT_READ, None)

    def numbers(self) -> bytes:
        """The signals that came since the last call."""
        try:
            return os.read(self._fd, 4096)
        except BlockingIOError:
            return b""


def reaped() -> Iterator[Tuple[int, int, Any]]:
    """Every child that has ended: (pid, status, usage). One SIGCHLD may stand for many, so until none is left."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status, usage
