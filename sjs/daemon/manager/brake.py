"""In the manager: nothing starts for a while after the machine could not start a job, and longer each time."""

from __future__ import annotations

from typing import Optional

from sjs.daemon.ground.notes import note

FIRST = 0.1
LONGEST = 10.0
"""Seconds until the next try: the first pause, and the longest that it doubles to."""


class Brake:
    """On after a refusal; off when its time is over or something has ended, for that may have made room."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._until: Optional[float] = None
        self.reason = ""  # what people are told, until something starts again

    def refused(self, reason: str, now: float) -> None:
        """The machine could not start a job. The many of one turn count as one."""
        if self.is_on(now):
            return
        if not self.reason:
            note(f"nothing can be started: {reason}; the jobs wait")
        self.reason = reason
        self._pause = min(LONGEST, max(FIRST, 2 * self._pause))
        self._until = now + self._pause

    def started(self) -> None:
        """A job has started: all is well again."""
        if self.reason:
            note("jobs can be started again")
        self._pause, self._until, self.reason = 0.0, None, ""

    def ended(self) -> None:
        """A job has ended: worth a try."""
        self._until = None

    def is_on(self, now: float) -> bool:
        """Whether nothing is to be started now."""
        return self._until is not None and now < self._until

    def next_time(self, now: float) -> Optional[float]:
        """When it goes off."""
        return self._until if self.is_on(now) else None
