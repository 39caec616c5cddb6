"""One moment on both clocks. Deciding takes it as a value; only the loop looks."""

from __future__ import annotations

import time
from typing import NamedTuple


class Now(NamedTuple):
    """`steady` never jumps, and measures; `wall` is what people read, and is stored."""

    steady: float
    wall: float


def look() -> Now:
    """The time, now."""
    return Now(time.monotonic(), time.time())
