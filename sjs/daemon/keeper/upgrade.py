"""In the keeper: how far an upgrade has come. It only decides; the keeper acts.

leaving   the manager was asked to finish its turn and go
trial     the new code's manager was started, and is to say `ready` in time
done      it has; the keeper answers `go`, and executes the new code
back      it has not; the old code's manager was started again, and is to say `ready`
"""

from __future__ import annotations

from typing import Optional

from sjs.daemon.ground.program import Program

LEAVE = 10.0
"""Seconds that a manager has to go. Then it is killed, which harms nothing."""

TRIAL = 10.0
"""Seconds that a new manager has until it must be ready."""


class Upgrade:
    """From the wish until the keeper has been replaced, or all is as before."""

    def __init__(self, program: Program, now: float) -> None:
        self.program = program
        self.phase = "leaving"
        self.until: Optional[float] = now + LEAVE
        self.why_not = ""
        self.stop_wanted = False  # somebody asked for that meanwhile

    def program_for(self, old: Program) -> Program:
        """Which code's manager is to be started."""
        return self.program if self.phase in ("trial", "done") else old

    def manager_ended(self, how: str, last_word: str, now: float) -> None:
        """The old manager has left, or the new one has failed. (It may be the old one again, on its way back.)"""
        if self.phase == "leaving":
            self.phase, self.until = "trial", now + TRIAL
        elif self.phase == "trial":
            self.why_not = self.why_not or f"its manager ended by itself ({how}): {last_word}"
            self.phase, self.until = "back", None

    def manager_is_ready(self) -> None:
        if self.phase == "trial":
            self.phase, self.until = "done", None

    def is_late(self, now: float) -> bool:
        """Whether the manager of this phase has used up its time; it is then to be killed, once."""
        if self.until is None or now < self.until:
            return False
        self.until = None
        if self.phase == "trial":
            self.why_not = f"its manager was not ready in {TRIAL:g} s"
        return True
