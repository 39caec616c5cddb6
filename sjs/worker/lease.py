"""How long an item is ours for sure, when that is to be renewed, and when a call is tried again. Pure.

Seconds are those of the clock that never jumps and goes on while the machine sleeps. They count from before the claim
was asked for, so that it is over here first, and there afterwards.
"""

from __future__ import annotations

import math
from typing import Optional

SHORTEST, LONGEST = 0.25, 30.0
"""The first pause after a call that came to nothing, and the longest."""


class Lease:
    """`granted`: for how many seconds from `began` on."""

    def __init__(self, began: float, granted: float) -> None:
        self._began = began
        self._granted = granted
        self._again: Optional[float] = None

    def renewed(self, began: float, granted: float) -> None:
        """It counts anew."""
        self._began, self._granted, self._again = began, granted, None

    def failed(self, now: float, pause: float) -> None:
        """Nobody has answered: to be tried again after a pause."""
        self._again = now + pause

    @property
    def renewal(self) -> float:
        """When it is to be renewed."""
        return self._began + self._granted / 3 if self._again is None else self._again

    @property
    def end(self) -> float:
        """When it is surely over."""
        return self._began + self._granted

    def is_over(self, now: float) -> bool:
        """Whether somebody else may have the item."""
        return now >= self.end


class Pauses:
    """Between tries: each about twice as long as the one before, never the same for two workers. `chance`: gives a
    number from 0 to 1."""

    def __init__(self, chance: float) -> None:
        self._spread = 0.75 + chance / 2
        self._next = SHORTEST

    def next(self, asked: Optional[float] = None, left: float = math.inf) -> float:
        """How long to wait now; `asked`: how long the gateway said; `left`: until it is too late, of which half is the
        most, so that there is another try."""
        pause, self._next = self._next, min(2 * self._next, LONGEST)
        return max(asked or 0.0, min(pause * self._spread, max(left / 2, SHORTEST)))

    def over(self) -> None:
        """Somebody has answered."""
        self._next = SHORTEST
