"""A link that is broken, and until when it is worth another try."""

from __future__ import annotations

import time

from sjs.errors import LinkLost, NoManager, NotReached, Stopped, Unreachable
from sjs.targets.session import soon

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)


class Outage:
    """A link that is broken now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = soon(seconds)
        self._pauses = iter(PAUSES)

    def pause(self, error: Unreachable) -> None:
        """Wait a little before the next attempt; raise the error when waiting is of no more use."""
        if (
            isinstance(error, Stopped)
            or not isinstance(error, (LinkLost, NoManager, NotReached))
            or soon(0) > self._end
        ):
            raise error
        time.sleep(next(self._pauses, PAUSES[-1]))
