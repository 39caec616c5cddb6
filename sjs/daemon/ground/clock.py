"""One moment on both clocks. Deciding takes it as a value; only the loop looks."""

from __future__ import annotations

import time
from typing import NamedTuple

JUMP = 60.0
"""Seconds by which the wall clock may drift from the other unseen."""


class Now(NamedTuple):
    """`steady` measures: it never jumps, and goes on while the machine sleeps. `wall` is what people read."""

    steady: float
    wall: float


def look() -> Now:
    """The time, now."""
    return Now(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


class Jumps:
    """Notices when somebody sets the wall clock. Nothing goes by it, but records then look strange: this says why."""

    def __init__(self, now: Now) -> None:
        self._distance = now.wall - now.steady

    def look(self, now: Now) -> str:
        """What is to be said of it, once; empty if nothing is."""
        jump = now.wall - now.steady - self._distance
        if abs(jump) < JUMP:
            return ""
        self._distance += jump
        way = "forward" if jump > 0 else "back"
        return f"the wall clock was set {abs(jump):.0f} s {way}; only times in records show it"
