"""In the keeper: what an attempt may take before it is ended, and when its time is over."""

from __future__ import annotations

import heapq
import selectors
from typing import Dict, List, NamedTuple, Optional, Tuple

from sjs.core.job import GRACE
from sjs.daemon.ground import kernel


class Limits(NamedTuple):
    """What stands in the records of an attempt. `deadline` and `paused` (since when it is) are on the boot clock."""

    timeout: Optional[float] = None
    deadline: Optional[float] = None
    grace: Optional[float] = None
    mem: int = 0
    paused: Optional[float] = None

    @property
    def patience(self) -> float:
        """Seconds between TERM and KILL, where nobody said otherwise."""
        return GRACE if self.grace is None else self.grace

    def since(self, began: float) -> Limits:
        """With the deadline that this begin gives, where none was written down."""
        if self.timeout is None or self.deadline is not None:
            return self
        return self._replace(deadline=began + self.timeout)

    def at_pause(self, now: float) -> Limits:
        return self._replace(paused=now)

    def at_resume(self, now: float) -> Limits:
        """The time of a pause does not count."""
        if self.paused is None:
            return self
        late = None if self.deadline is None else self.deadline + now - self.paused
        return self._replace(deadline=late, paused=None)


class Deadlines:
    """When the time of each is over. Its descriptor wakes the selector then, also where the machine slept meanwhile."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._alarm = kernel.Alarm()
        selector.register(self._alarm.fd, selectors.EVENT_READ, None)
        self._at: Dict[str, float] = {}
        self._heap: List[Tuple[float, str]] = []  # and what was in `_at` before
        self._rings_at: Optional[float] = None

    def set(self, tag: str, at: Optional[float]) -> None:
        """On the boot clock; None: its time will never be over."""
        if self._at.get(tag) == at:
            return
        if at is None:
            del self._at[tag]
        else:
            self._at[tag] = at
            heapq.heappush(self._heap, (at, tag))
        if len(self._heap) > 2 * len(self._at) + 16:
            self._heap = sorted((at, tag) for tag, at in self._at.items())
        self._wind()

    def due(self, now: float) -> List[str]:
        """Those whose time is over, once."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            at, tag = heapq.heappop(self._heap)
            if self._at.get(tag) == at:
                del self._at[tag]
                found.append(tag)
        self._wind()
        return found

    def _wind(self) -> None:
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        first = self._heap[0][0] if self._heap else None
        if first != self._rings_at:
            self._rings_at = first
            self._alarm.set(first)
