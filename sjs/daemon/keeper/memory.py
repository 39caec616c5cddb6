"""In the keeper: how much memory jobs take, looked at once a second while one runs that may take only so much.

What processes share is counted in each of them. Where that makes it too much, it is counted once, which costs more.
"""

from __future__ import annotations

import os
from typing import Dict, Iterable, Optional, Sequence

from sjs.daemon.keeper import together, tree
from sjs.daemon.keeper.attempt import Attempt

LOOK = 1.0
"""Seconds between looks."""

PAGE = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """The attempts that are looked at, and when the next look is."""

    def __init__(self) -> None:
        self._watched: Dict[str, Attempt] = {}
        self._look_at = 0.0

    def watch(self, attempt: Attempt, now: float) -> None:
        """From now on, until it has ended, if it may take only so much."""
        if attempt.limits.mem:
            self._look_at = self._look_at if self._watched else now + LOOK
            self._watched[attempt.tag] = attempt

    def forget(self, tag: str) -> None:
        self._watched.pop(tag, None)

    def next_time(self) -> Optional[float]:
        """When `look` is due."""
        return self._look_at if self._watched else None

    def look(self, now: float) -> Sequence[Attempt]:
        """Those that take more than they may. Their peaks are noted."""
        if not self._watched or now < self._look_at:
            return []
        self._look_at = now + LOOK
        watched = list(self._watched.values())
        for attempt, processes in zip(watched, together.members(watched)):
            attempt.taken = _taken(processes, attempt.limits.mem)
            attempt.peak = max(attempt.peak, attempt.taken)
        return [one for one in watched if one.taken > one.limits.mem]


def _taken(processes: Iterable[tree.Process], limit: int) -> int:
    taken = {one.pid: one.rss * PAGE for one in processes}
    if sum(taken.values()) <= limit:
        return sum(taken.values())
    return sum(_own_part(pid, rss) for pid, rss in taken.items())


def _own_part(pid: int, rss: int) -> int:
    """Its memory, with its part only of what it shares with others."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as source:
            for line in source:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended, is somebody else's, or this kernel does not tell (before 4.14)
    return rss
