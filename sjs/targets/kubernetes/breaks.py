"""Watches that end at once, one after the other."""

from __future__ import annotations

import time

from sjs.errors import SjsError

REST = 0.5
"""Seconds before a watch is begun anew that ended before anything came; doubled with each further one, …"""

LONGEST = 5.0
"""… but no longer."""

MOST = 8
"""Such in a row, until it is said why they ended."""


class Breaks:
    """Those of one who watches."""

    def __init__(self) -> None:
        self._row = 0

    def over(self) -> None:
        """Something new has come."""
        self._row = 0

    def pause(self, error: SjsError | None, deadline: float) -> None:
        """Rest before the next one, until the deadline at most. `error`: why this one ended, if it was cut."""
        self._row += 1
        if error is not None and self._row > MOST:
            raise error
        rest = min(REST * 2 ** min(self._row - 1, 10), LONGEST, deadline - time.monotonic())
        if rest > 0:
            time.sleep(rest)
