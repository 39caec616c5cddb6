"""In the manager: the request `configure`. What a person may set while a queue works, and how all of it stands."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from sjs import spec_json, wire
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.space import LOW_WATER, Space
from sjs.daemon.manager.subjects import Reply, Request
from sjs.daemon.queue import holdings, hook_list
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store

MAX_RUNNING = 1_000_000
MAX_KEPT = 10**9

KEPT = ("keep_days", "keep_jobs")


class Settings:
    """What can be set of one queue. All of a request is checked before any of it counts."""

    def __init__(self, ledger: Ledger, store: Store, space: Optional[Space]) -> None:
        self._ledger = ledger
        self._store = store
        self._space = space
        self.table: Dict[str, Callable[[Request, Any, Now], Reply]] = {"configure": self._configure}

    def _configure(self, request: Request, session: Any, now: Now) -> Reply:
        ledger = self._ledger
        old = ledger.max_running
        new = wire.whole(request, "max_jobs", 0, MAX_RUNNING) if "max_jobs" in request else old
        kept = {name: wire.whole(request, name, 0, MAX_KEPT) for name in KEPT if name in request}
        free = wire.whole(request, LOW_WATER, 0, spec_json.MAX_BYTES) if LOW_WATER in request else None
        machine = holdings.checked(request)
        hooks = hook_list.checked(request)
        if "max_jobs" in request:
            ledger.configure(new)
        if kept:
            ledger.retention.configure(**{**self._kept(), **kept})
        if free is not None:
            self._keep_free(free, now)
        if machine:
            ledger.holdings.say(machine)
        if hooks:
            ledger.hooks.say(hooks)
        ledger.urgent = True
        return {"old": old, "new": new, "settings": self.all()}

    def all(self) -> Dict[str, Any]:
        """How everything is set, by the names of the request's fields."""
        mark = 0 if self._space is None else self._space.mark
        return {**self._kept(), LOW_WATER: mark, **self._ledger.holdings.summary(), **self._ledger.hooks.said}

    def _kept(self) -> Dict[str, int]:
        return {name: getattr(self._ledger.retention, name) for name in KEPT}

    def _keep_free(self, low_water: int, now: Now) -> None:
        self._store.set_meta(LOW_WATER, str(low_water))
        if self._space is not None:
            self._space.low_water = low_water
            self._space.look(now.steady)
