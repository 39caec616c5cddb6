"""The log of what is met again and again: who is away is asked every few seconds, and told of every ten minutes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

LOG = logging.getLogger("sjs.gateway")

AGAIN = 600.0
"""Seconds."""

MOST = 1_000
"""Things that were told lately; with more, all are news again."""


class Once:
    """For any number of threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[str, float] = {}

    def tell(self, text: str, level: int = logging.WARNING) -> None:
        """Unless it was, a moment ago."""
        now = self._now()
        if self._until.get(text, now) > now:
            return
        if len(self._until) >= MOST:
            self._until.clear()
        self._until[text] = now + AGAIN
        LOG.log(level, "%s", text)

    def forget(self) -> None:
        """All is well by now; what comes is news."""
        self._until.clear()
