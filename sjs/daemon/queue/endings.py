"""In the manager: how the last jobs ended, as far as it says something of the machine (`core.health`). It outlives the
manager, and is forgotten when a person says that the machine is mended."""

from __future__ import annotations

import json
from typing import List, Optional

from sjs.core.health import LAST, Ending, fault_of, health
from sjs.core.job import End, Health
from sjs.daemon.queue.live import Live
from sjs.daemon.queue.store import Store

NAME = "endings"


class Endings:
    """The last of them. Where none is a fault there is nothing to keep, so good ones cost no write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: List[Ending] = [Ending(*one) for one in json.loads(store.meta(NAME) or "[]")]

    @property
    def health(self) -> Health:
        """What they come to."""
        return health(self._last)

    def add(self, live: Live, end: End, seconds: Optional[float]) -> None:
        """One more attempt has ended."""
        fault = fault_of(end, seconds, bool(live.via))
        if fault is None:
            return
        had_faults = any(one.fault for one in self._last)
        self._last = [*self._last, Ending(fault, live.submitted)][-LAST:]
        if fault or had_faults:
            self._save()

    def clear(self) -> None:
        """The machine is mended."""
        if self._last:
            self._last = []
            self._save()

    def _save(self) -> None:
        self._store.set_meta(NAME, json.dumps(self._last))
