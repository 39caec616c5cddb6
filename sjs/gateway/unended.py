"""How many jobs of each owner have not ended: counted in the records now and then, and between by what is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic

from sqlalchemy import Engine, func, select

from sjs.core.lifecycle import UNENDED
from sjs.gateway.records.events import Changes
from sjs.gateway.records.failing import asking
from sjs.gateway.records.jobs import ACCEPTED, ENDED, RETRIED
from sjs.gateway.records.tables import jobs

EVERY = 60.0
"""Seconds after which they are counted anew: of a transaction whose end nobody knows, nothing is told."""

_STEPS = {ACCEPTED: 1, RETRIED: 1, ENDED: -1}


class Unended:
    """For any number of threads."""

    def __init__(self, engine: Engine, now: Callable[[], float] = monotonic) -> None:
        self._engine = engine
        self._now = now
        self._counts: Counter[str] = Counter()
        self._until = 0.0
        self._lock = threading.Lock()

    def tell(self, changes: Changes) -> None:
        """This has become durable."""
        with self._lock:
            for event in changes.events:
                self._counts[event.owner] += _STEPS.get(event.kind, 0)

    def here(self, owner: str) -> int | None:
        """How many, if that is known without asking."""
        return self._counts[owner] if self._now() < self._until else None

    def of(self, owner: str) -> int:
        """How many; a few more or less where some end, or come, while they are counted."""
        known = self.here(owner)
        if known is not None:
            return known
        those = select(jobs.c.owner, func.count()).where(jobs.c.state.in_(UNENDED)).group_by(jobs.c.owner)
        with asking(self._engine) as connection:
            found = Counter({row[0]: row[1] for row in connection.execute(those)})
        with self._lock:
            self._counts, self._until = found, self._now() + EVERY
        return found[owner]
