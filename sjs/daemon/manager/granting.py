"""In the manager: how many jobs the keeper may start by itself, and when it is to give them back.

While jobs are short, a slot would stand empty for as long as this process and its disk need for the end of one and the
start of the next. So the keeper is given the front of the queue beforehand, and news of what it does comes in batches.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Sequence

from sjs.core.schedule import Snapshot, ahead
from sjs.daemon.queue.grants import Grants
from sjs.daemon.queue.live import Live

SHORT = 2.0
"""Seconds that the last job to end may have taken: where jobs take longer, nobody sees the gap between them."""

SOON = 0.1
"""Seconds for which the keeper is to have enough to start."""

LONG = 1.0
"""Seconds that it need not last."""

FIRST = 4

MOST = 64
"""Jobs that the keeper may start by itself at most."""

UNSEEING = ("submit", "lookup", "environment", "wait", "changes")
"""Requests that neither show nor change who waits, but by adding to it."""


class Granting:
    """`send`: tells the keeper."""

    def __init__(self, grants: Grants, send: Callable[[Dict[str, Any]], None]) -> None:
        self._grants = grants
        self._send = send
        self._window = FIRST
        self._last_at: Optional[float] = None
        self._took = SHORT
        self.is_understood = False
        """Whether the keeper knows what it is to be granted something; an older one does not."""
        self.is_waiting = False
        """Whether it was asked to give back what it has not started, and has not yet."""

    @property
    def are_out(self) -> bool:
        """Whether the keeper may start something without being told."""
        return bool(self._grants or self._grants.offered)

    def ended(self, seconds: Optional[float]) -> None:
        """A job has ended that took so long."""
        self._took = SHORT if seconds is None else seconds

    def must_come_before(self, op: str) -> bool:
        """Whether a request has to wait for what the keeper gives back, which it is asked for."""
        if self.are_out and op not in UNSEEING and not self.is_waiting:
            self._window = max(1, self._window - len(self._grants))  # who is asked often has few
            self.ask_back()
        return self.is_waiting and op not in UNSEEING

    def ask_back(self) -> None:
        """The keeper is to start nothing more by itself."""
        if not self.is_waiting:
            self._send({"do": "revoke"})
            self.is_waiting = True

    def given_back(self, tags: Sequence[str]) -> None:
        """It starts none of these, and had no others."""
        self._grants.take_back(tags)
        self.is_waiting = False

    def wants(self, now: float) -> int:
        """How many more the keeper should have by now."""
        if not self.is_understood or self.is_waiting or self._took >= SHORT or 2 * len(self._grants) > self._window:
            return 0
        return self._size(now) - len(self._grants)

    def grant(self, snapshot: Snapshot, now: float) -> Sequence[Live]:
        """Write down who of the front of the queue it may start: it is told once that is durable."""
        self._window = self._size(now)
        jobs = ahead(snapshot, self._window - len(self._grants))
        self._last_at = now
        return self._grants.add(jobs, snapshot.machine) if jobs else ()

    def _size(self, now: float) -> int:
        """Twice what it was where that did not last, half of it where it lasted for long."""
        if self._last_at is None:
            return self._window
        lasted = now - self._last_at
        if lasted < SOON:
            return min(MOST, 2 * self._window)
        return max(1, self._window // 2) if lasted > LONG else self._window
