"""In the manager: requests about sweeps."""

from __future__ import annotations

from typing import Any, Callable, Dict

from sjs import spec_json, wire
from sjs.core.job import ranges
from sjs.core.lifecycle import STATES
from sjs.daemon.ground.clock import Now
from sjs.daemon.manager.subjects import Reply, Request, Subjects
from sjs.daemon.queue.rows import SweepRow
from sjs.daemon.queue.store import Store

SWEEPS = 200
"""Sweeps in one reply."""

MEMBERS = 2_000
"""Jobs in one reply."""


class Sweeps:
    """What can be asked about the sweeps whose jobs, or some of them, are in this queue."""

    def __init__(self, store: Store, subjects: Subjects) -> None:
        self._store = store
        self._subjects = subjects
        self.table: Dict[str, Callable[[Request, Any, Now], Reply]] = {"sweeps": self._sweeps, "members": self._members}

    def _sweeps(self, request: Request, session: Any, now: Now) -> Reply:
        """How many jobs of each are in which state; with `sweep`, of this one."""
        if request.get("sweep") is not None:
            one = self._store.sweep(spec_json.sweep_name("sweep", request["sweep"]))
            return {"sweeps": [self._shown(one)] if one.counts else [], "next": None}
        after = wire.text(request, "after") if request.get("after") is not None else ""
        found = self._store.sweeps(after, SWEEPS)
        return {"sweeps": [self._shown(one) for one in found], "next": found[-1].name if len(found) == SWEEPS else None}

    def _shown(self, one: SweepRow) -> Reply:
        return {**one._asdict(), "counts": self._subjects.shown_counts(one.counts)}

    def _members(self, request: Request, session: Any, now: Now) -> Reply:
        """Which jobs are of a sweep; with `settings`, what each of them tries."""
        name = spec_json.sweep_name("sweep", request.get("sweep"))
        after = wire.whole(request, "after", -1, wire.MAX_ID, -1)
        found = self._store.members(name, self._subjects.states_of(request) or STATES, after, MEMBERS)
        reply: Reply = {"jobs": ranges(job_id for job_id, _ in found)}
        if request.get("settings") is True:
            reply["settings"] = [setting for _, setting in found]
        return {**reply, "next": found[-1][0] if len(found) == MEMBERS else None}
