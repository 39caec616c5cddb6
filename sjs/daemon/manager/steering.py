"""In the manager: requests that steer jobs, or the whole queue. What is wanted is written down; `plan` has it done.

Those that change many jobs come in pieces: the reply names the jobs that were changed, and from which to ask on
(`next`).
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence

from sjs import wire
from sjs.core.job import Range, ranges
from sjs.core.lifecycle import FINAL, LIVE, MOVING, PENDING
from sjs.daemon.ground.clock import Now
from sjs.daemon.manager.subjects import Reply, Request, Subjects, submitter, summaries
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.pending import AGAIN, PIECE
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest

MAX_SECONDS = 10 * 366 * 86_400
MAX_SIGNAL = 64
MAX_NOTE = 1_000


class Steering:
    """The requests of one queue that change what happens."""

    def __init__(self, ledger: Ledger, store: Store, subjects: Subjects) -> None:
        self._ledger = ledger
        self._store = store
        self._subjects = subjects
        self.table: Dict[str, Callable[[Request, Any, Now], Reply]] = {
            "cancel": self._cancel,
            "hold": lambda request, session, now: self._piecewise(request, PENDING, self._ledger.hold),
            "release": lambda request, session, now: self._piecewise(request, PENDING, self._ledger.release),
            "again": self._again,
            "pause": lambda request, session, now: self._pause(request, True),
            "resume": lambda request, session, now: self._pause(request, False),
            "drain": lambda request, session, now: self._drain(True),
            "undrain": lambda request, session, now: self._drain(False),
            "clean": lambda request, session, now: self._piecewise(request, FINAL, self._ledger.clean),
        }

    def _cancel(self, request: Request, session: Any, now: Now) -> Reply:
        wanted = self._subjects.own(request, (*PENDING, *LIVE))
        grace = request.get("grace")
        if grace is not None and not (type(grace) in (int, float) and 0 <= grace <= MAX_SECONDS):
            raise BadRequest("'grace' must be a number of seconds")
        note = wire.text(request, "note") if request.get("note") else ""
        if len(note) > MAX_NOTE:
            raise BadRequest(f"a 'note' of more than {MAX_NOTE} letters")
        if "signal" in request:
            return self._signal(wanted, wire.whole(request, "signal", 1, MAX_SIGNAL))
        if request.get("queued_only") is True:
            return self._cancel_named(wanted, now)
        stopping = self._ledger.want_end(wanted, grace, note)
        cancelled = self._ledger.cancel_pending(wanted, now.wall, note)
        more = len(cancelled) == PIECE
        reply: Reply = {"cancelled": ranges(cancelled), "stopping": ranges(stopping), "ended": []}
        if request.get("jobs") is not None and not more:
            reply["ended"] = self._ended(wanted, cancelled)
            reply["moving"] = ranges(job_id for job_id, _ in self._store.ids_in((MOVING,), wanted, PIECE))
        reply["next"] = cancelled[-1] if more else None
        return reply

    def _cancel_named(self, wanted: Sequence[Range], now: Now) -> Reply:
        """As the seed's clients cancel: queued jobs only, each named in the reply."""
        named: List[Reply] = []
        while True:
            ids = self._ledger.cancel_pending(wanted, now.wall)
            named += summaries([self._subjects.job(job_id) for job_id in ids])
            if len(ids) < PIECE:
                return {"jobs": named}

    def _signal(self, wanted: Sequence[Range], number: int) -> Reply:
        """A signal ends nothing by itself: what becomes of a job that gets one is for the job to say."""
        signalled = self._ledger.signal(wanted, number)
        return {"signalled": ranges(signalled), "cancelled": [], "stopping": [], "ended": [], "next": None}

    def _ended(self, wanted: Sequence[Range], cancelled: Sequence[int]) -> Sequence[Range]:
        """What had ended before, for the first of the ranges' jobs."""
        just_now = set(cancelled)
        return ranges(job_id for job_id, _ in self._store.ids_in(FINAL, wanted, PIECE) if job_id not in just_now)

    def _piecewise(
        self, request: Request, states: Sequence[str], change: Callable[[Sequence[Range]], List[int]]
    ) -> Reply:
        ids = change(self._subjects.own(request, states))
        return {"changed": ranges(ids), "next": ids[-1] if len(ids) == PIECE else None}

    def _again(self, request: Request, session: Any, now: Now) -> Reply:
        changed, looked_at = self._ledger.again(self._subjects.own(request, FINAL))
        return {"changed": ranges(changed), "next": looked_at[-1] if len(looked_at) == AGAIN else None}

    def _pause(self, request: Request, still: bool) -> Reply:
        if request.get("jobs") is None and not submitter(request):
            changed = self._ledger.pause_all(still)
        else:
            changed = self._ledger.pause(self._subjects.own(request, LIVE), still)
        return {"changed": ranges(changed), "next": None, "paused": self._ledger.gates.paused}

    def _drain(self, on: bool) -> Reply:
        self._ledger.drain(on)
        return {"drained": on}
