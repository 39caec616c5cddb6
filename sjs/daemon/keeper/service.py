"""In the keeper: what shows clients whether the queue is served. The door, held open, and the mark of a wanted stop."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places


class Service:
    """Held open, the door keeps its bytes while one manager is gone and the next is not there yet.

    `record`: what an earlier keeper handed over.
    """

    def __init__(self, where: Places, record: Optional[Dict[str, Any]] = None) -> None:
        self._where = where
        self._door = -1 if record is None else int(record["fd"])

    def hand_over(self) -> Optional[Dict[str, Any]]:
        """For the record that a successor reads."""
        return None if self._door < 0 else {"fd": self._door}

    def begin(self) -> None:
        """Hold the door that stands there now."""
        self.end()
        try:
            self._door = os.open(self._where.door, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:  # removed this moment; the manager will make it again, and say so again
            note(f"the door could not be held: {error}")

    def end(self) -> None:
        """Let go of the door."""
        if self._door >= 0:
            os.close(self._door)
            self._door = -1

    def mark_as_stopped(self) -> None:
        """Write down that somebody wanted the end, so that nobody starts a manager by the way."""
        try:
            with open(self._where.stopped, "w", encoding="ascii") as mark:
                mark.write("stopped on purpose\n")
        except OSError as error:
            note(f"that it was stopped on purpose could not be written down: {error}")

    def forget_stop(self) -> None:
        """A manager is wanted again."""
        try:
            os.unlink(self._where.stopped)
        except OSError:
            return  # it was not stopped on purpose
