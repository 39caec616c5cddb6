"""In the manager: requests by which jobs leave for another queue, exactly once. Each may be asked again."""

from __future__ import annotations

from typing import Any, Callable, Dict

from sjs import wire
from sjs.core.job import ranges
from sjs.daemon.ground.clock import Now
from sjs.daemon.manager.subjects import Reply, Request, Subjects, key_of
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store

MAX_MOVES = 100
"""Moves that one reply names."""


class Moving:
    """The requests of one queue about jobs on their way."""

    def __init__(self, ledger: Ledger, store: Store, subjects: Subjects) -> None:
        self._ledger = ledger
        self._store = store
        self._subjects = subjects
        self.table: Dict[str, Callable[[Request, Any, Now], Reply]] = {
            "move": self._move,
            "moves": self._moves,
            "arrived": self._arrived,
            "back": self._back,
            "decline": self._decline,
        }

    def _move(self, request: Request, session: Any, now: Now) -> Reply:
        """Without `jobs`, what is known of a move; what of it is not settled has its jobs with it."""
        key, target = key_of(request), key_of(request, "to")
        wanted = self._subjects.wanted(request) if request.get("jobs") is not None else []
        move = self._ledger.moves.begin(key, target, wanted, now.wall)
        bodies = self._ledger.moves.bodies(key) if move.first is None else []
        if not bodies:
            return {**move._asdict(), "jobs": []}
        self._ledger.may_have_started(bodies[-1][0])
        return {**move._asdict(), "jobs": bodies, "via": self._subjects.job(bodies[0][0]).via}

    def _moves(self, request: Request, session: Any, now: Now) -> Reply:
        """Those that are not settled."""
        prefix, after = (key_of(request, name) if name in request else "" for name in ("key", "after"))
        found = self._store.open_moves(prefix, after, MAX_MOVES)
        return {
            "moves": [one._asdict() for one in found],
            "next": found[-1].key if len(found) == MAX_MOVES else None,
        }

    def _arrived(self, request: Request, session: Any, now: Now) -> Reply:
        first = wire.whole(request, "first", 0, wire.MAX_ID)
        ids = self._ledger.moves.arrive(key_of(request), first, now.wall)
        self._ledger.ended += ids
        self._ledger.urgent = True
        return {"changed": ranges(ids)}

    def _back(self, request: Request, session: Any, now: Now) -> Reply:
        self._ledger.urgent = True
        return {"changed": ranges(self._ledger.moves.come_back(key_of(request)))}

    def _decline(self, request: Request, session: Any, now: Now) -> Reply:
        self._ledger.urgent = True
        return {"taken": self._ledger.moves.decline(key_of(request), now.wall)}
