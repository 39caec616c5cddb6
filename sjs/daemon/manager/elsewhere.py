"""In the manager: jobs that others run for the queue (Slurm), where they may wait for long after they were handed on.

To people such a job is queued until it has begun. Who wants to keep it from beginning, or to have it elsewhere, gets it
back first: the keeper makes sure that it never begins there, and only then is the request handled.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from sjs import wire
from sjs.core.job import contains
from sjs.core.lifecycle import STARTING, UNENDED
from sjs.daemon.ground.clock import Now
from sjs.daemon.manager.desk import Ask
from sjs.daemon.manager.subjects import submitter
from sjs.daemon.manager.waits import Waits
from sjs.daemon.queue.ledger import Ledger
from sjs.errors import BadRequest

TAKING = ("hold", "move")
"""Requests for which jobs come back; the pause of a whole queue is another."""

IDLE = 300.0
"""Seconds after which a manager ends that has nothing to do and nobody to speak with: on a login node it is a guest."""

QUIET = 1.0
"""Seconds for which nothing is handed on after something came back: who takes back asks for it in pieces."""


class Elsewhere:
    """Those of one queue; none, if its jobs run here. `send`: tells the keeper."""

    def __init__(self, ledger: Ledger, waits: Waits, send: Callable[[Dict[str, Any]], None]) -> None:
        self._ledger = ledger
        self._waits = waits
        self._send = send
        self._asked: Deque[Ask] = deque()
        self._answered: List[Ask] = []
        self._is_awaited = False
        self._quiet_until: Optional[float] = None
        self._idle_since: Optional[float] = None

    def must_wait(self, ask: Ask) -> bool:
        """Whether the request is kept here until the keeper has given back what it is about."""
        stops_all = _stops_all(ask.request)
        if not self._ledger.is_elsewhere or not (stops_all or ask.request.get("op") in TAKING):
            return False
        if ask in self._answered:
            self._answered.remove(ask)
            return False
        tags = self._begun_by(ask.request)
        if not tags:
            return False
        if stops_all:  # or more would be handed on while these come back
            self._ledger.gates.pause(True)
        self._send({"do": "withdraw", "tags": tags})
        self._asked.append(ask)
        return True

    def _begun_by(self, request: Dict[str, Any]) -> List[str]:
        """Which of those that it names are on their way. Of more than can move at once, the first."""
        try:
            wanted = wire.job_set(request)
        except BadRequest:
            return []  # it is refused when it is handled
        is_move = request.get("op") == "move"
        if is_move and wanted is None:
            return []
        found = [
            one
            for one in self._ledger.live.values()
            if one.state == STARTING and (wanted is None or contains(wanted, one.id))
        ]
        found.sort(key=lambda one: one.id)
        return [one.tag for one in (found[: wire.MAX_CHUNK_JOBS] if is_move else found)]

    def withdrawn(self, news: Dict[str, Any], now: Now) -> List[Ask]:
        """The keeper has given some back; the request for which it did so can be handled now."""
        for tag in news["tags"]:
            self._ledger.on_refused(tag, now.wall, "given back")
        if news.get("unasked") or not self._asked:
            return []
        self._quiet_until = now.steady + QUIET
        ask = self._asked.popleft()
        self._answered.append(ask)
        return [ask]

    def is_quiet(self, now: float) -> bool:
        """Whether nothing is to be handed on."""
        if self._quiet_until is not None and now >= self._quiet_until:
            self._quiet_until = None
        return self._quiet_until is not None

    def is_idle(self, now: float, is_alone: bool) -> bool:
        """Whether there has been nothing to do for long. `is_alone`: nobody is connected."""
        unended = any(self._ledger.counts[state] for state in UNENDED)
        if not self._ledger.is_elsewhere or unended or not is_alone:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        return self._idle_since is not None and now >= self._idle_since + IDLE

    def next_time(self) -> Optional[float]:
        """When to look at all this again."""
        idle = None if self._idle_since is None else self._idle_since + IDLE
        return min((one for one in (self._quiet_until, idle) if one is not None), default=None)

    def seen(self, jobs: List[Tuple[str, Dict[str, str], str, str, str]]) -> None:
        """What those who run them say of them."""
        for tag, place, state, reason, start in jobs:
            self._ledger.is_at(tag, place, (state, reason, start))

    def attend(self) -> None:
        """Tell the keeper whether anybody waits for what happens."""
        is_awaited = self._waits.is_any
        if self._ledger.is_elsewhere and is_awaited != self._is_awaited:
            self._is_awaited = is_awaited
            self._send({"do": "attend", "awaited": is_awaited})


def _stops_all(request: Dict[str, Any]) -> bool:
    """Whether it pauses the queue, and not some of its jobs."""
    return request.get("op") == "pause" and request.get("jobs") is None and not submitter(request)
