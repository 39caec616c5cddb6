"""When a delivery is tried again, and when not any more. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from sjs.values import dataclass

DELAYS = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 28_800.0)
"""Seconds after each try; after the last there is none: a day, about."""

HOLD = 3
"""So many tries hold up what comes after for the same hook, so that it hears of things in their order; then others go
before, so that one that it can not take does not keep it from all others."""

JITTER = 0.2
"""A part of each delay, by which it is shorter or longer: what went wrong together is not tried again together."""

LONGEST = 86_400.0
"""Seconds, whatever a receiver asks for."""

GONE = 410


@dataclass(frozen=True)
class Outcome:
    """What came of a try: the status that was answered, or nothing was; `again`: seconds after which the receiver wants
    to be asked again."""

    status: int | None
    why: str
    again: float | None = None

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants to hear no more, ever."""
        return self.status == GONE


def due(outcome: Outcome, tries: int, now: float, chance: float) -> float | None:
    """When it is tried again after so many tries, with a chance from 0 to 1; None: not any more."""
    if tries > len(DELAYS) or outcome.is_gone:
        return None
    delay = DELAYS[tries - 1] * (1 + JITTER * (2 * chance - 1))
    return now + max(delay, outcome.again or 0.0)


def again(said: str | None, now: float) -> float | None:
    """What a header Retry-After says, in seconds, so far as it is heeded; nothing for what is none."""
    if said is None:
        return None
    if said.isascii() and said.isdigit() and len(said) < 10:
        return min(float(said), LONGEST)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return min(max(0.0, (moment - datetime.fromtimestamp(now, timezone.utc)).total_seconds()), LONGEST)
