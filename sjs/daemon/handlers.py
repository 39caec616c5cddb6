"""In the manager: one function for each request. They read and change the ledger; none touches a process or a pipe.

A handler gives the reply's fields, or PARKED when the reply is to come later.
"""

from __future__ import annotations

import os
import shlex
from itertools import chain, islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from sjs import __version__, spec_json, wire
from sjs.core.job import Job, Range, Spec, ranges
from sjs.core.lifecycle import FINAL, LIVE, PENDING, QUEUED, STARTING, STATES
from sjs.daemon import workspace
from sjs.daemon.clock import Now
from sjs.daemon.ledger import Ledger, everything
from sjs.daemon.pending import PIECE
from sjs.daemon.places import Places
from sjs.daemon.space import Space
from sjs.daemon.store import Store
from sjs.daemon.waits import Waits
from sjs.errors import BadRequest, Full, NoManager, Stopping, UnknownJob, UnknownRequest

Request = Dict[str, Any]
Reply = Dict[str, Any]

PARKED: Reply = {}
"""What a handler gives when `Waits` is to answer."""

MAX_RUNNING = 1_000_000
MAX_KEPT = 10**9
MAX_SECONDS = 10 * 366 * 86_400
DEFAULT_GRACE = 10.0

ROW = 200
"""Bytes of a queued job's row besides its texts."""

MAX_KEYS = 1_000
"""Keys of one reply to `lookup`."""

PAGE_TEXT = 512 << 10
"""Characters of commands in one reply. On the wire one may become six bytes, and a line has its limit."""


class Handlers:
    """The requests of one queue. `waits` is None when only its records are to be read (`offline`)."""

    def __init__(
        self, where: Places, ledger: Ledger, store: Store, waits: Optional[Waits], space: Optional[Space] = None
    ) -> None:
        self._where = where
        self._ledger = ledger
        self._store = store
        self._waits = waits
        self._space = space
        self.stopping = False
        self.trouble = ""
        self.longest_turn = 0.0
        self._table: Dict[str, Callable[[Request, Any, Now], Reply]] = {
            "list": self._list,
            "output": self._output,
            "wait": self._wait,
            "submit": self._submit,
            "lookup": self._lookup,
            "report": self._report,
            "configure": self._configure,
            "cancel": self._cancel,
            "stop": self._stop,
        }

    def handle(self, request: Request, session: Any, now: Now) -> Reply:
        """The reply to one request, or the SjsError that says why not."""
        handler = self._table.get(str(request.get("op")))
        if handler is None:
            raise UnknownRequest(f"no such request: {request.get('op')!r:.40}", "the manager may be an older version")
        return handler(request, session, now)

    def hello(self) -> Reply:
        """The first line of a session."""
        return {"hello": {"version": __version__, "wire": wire.VERSION, **self._identity()}}

    def answer(self, request: Request, done: bool) -> Reply:
        """The reply to a request that has waited."""
        if request["op"] == "output":
            return self._where_output_is(request)
        wanted = self._wanted(request)
        counts = {state: self._count(wanted, state) for state in STATES}
        counts[wire.REMOVED] = sum(high - low + 1 for low, high in wanted) - sum(counts.values())
        reply: Reply = {"done": done, "counts": {state: count for state, count in counts.items() if count}}
        if len(wanted) == 1 and wanted[0][0] == wanted[0][1]:
            reply["job"] = wire.job_to_wire(self._job(wanted[0][0]))
        return reply

    def _submit(self, request: Request, session: Any, now: Now) -> Reply:
        jobs = request.get("jobs")
        if not isinstance(jobs, list) or not 1 <= len(jobs) <= wire.MAX_CHUNK_JOBS:
            raise BadRequest(f"'jobs' must be a list of 1 to {wire.MAX_CHUNK_JOBS} jobs")
        key = _key(request) if request.get("key") is not None else None
        specs = [spec_json.from_wire(body) for body in jobs]
        if key is None or not self._ledger.has_taken(key):
            self._check_room(request, specs)
        first, count, repeated = self._ledger.submit(key, specs, now.wall, _envs(request))
        return {"first": first, "count": count, "repeated": repeated, "max": self._ledger.max_running}

    def _check_room(self, request: Request, specs: Sequence[Spec]) -> None:
        """Refuse jobs that cannot be taken. What was taken before under its key never comes here: a refusal proves
        that it was not."""
        if self.stopping:
            raise Stopping("this manager is about to stop")
        if self._space is not None:
            self._space.check(sum(map(_weight, specs)))
        wanted = len(specs)
        free = max(0, self._ledger.max_running - len(self._ledger.live) - self._ledger.counts[QUEUED])
        if request.get("if_free") is True and free < wanted:
            raise Full(f"{free} free slots for {wanted} jobs" if free else "no free slot")

    def _lookup(self, request: Request, session: Any, now: Now) -> Reply:
        """Which chunks were taken under a key: what stands behind it in their own keys, and the ids they got."""
        after = _key(request, "after") if "after" in request else ""
        rows = self._store.submits(f"{_key(request)}/", after, MAX_KEYS)
        return {"parts": rows, "next": rows[-1][0] if len(rows) == MAX_KEYS else None}

    def _report(self, request: Request, session: Any, now: Now) -> Reply:
        head = wire.whole(request, "head", 0, wire.MAX_HEAD, 0)
        live, _ = _fitting((self._job(job_id) for job_id in sorted(self._ledger.live)), head)
        queued, _ = _fitting(self._ledger.first(head), head)
        return {
            "running": len(self._ledger.live),
            "max": self._ledger.max_running,
            "queued": self._ledger.counts[QUEUED],
            "head": _named(queued),
            "live": _named(live),
            "counts": self._ledger.counts,
            "longest_turn": round(self.longest_turn, 6),
            "keep_days": self._ledger.retention.keep_days,
            "keep_jobs": self._ledger.retention.keep_jobs,
            "removed": self._ledger.retention.removed,
            "trouble": self.trouble,
            **self._identity(),
        }

    def _configure(self, request: Request, session: Any, now: Now) -> Reply:
        retention = self._ledger.retention
        had = {"keep_days": retention.keep_days, "keep_jobs": retention.keep_jobs}
        keep = {name: wire.whole(request, name, 0, MAX_KEPT) for name in had if name in request}
        old = self._ledger.max_running
        new = wire.whole(request, "max_jobs", 0, MAX_RUNNING, old if keep else None)
        if new != old or "max_jobs" in request:
            self._ledger.configure(new)
        if keep:
            retention.configure(**{**had, **keep})
            self._ledger.urgent = True
        return {"old": old, "new": new, **keep}

    def _list(self, request: Request, session: Any, now: Now) -> Reply:
        limit = wire.whole(request, "limit", 1, wire.MAX_PAGE, wire.MAX_PAGE)
        after = wire.whole(request, "after", -1, wire.MAX_ID, -1)
        states = request.get("states") or []
        if not isinstance(states, list) or any(state not in STATES for state in states):
            raise BadRequest(f"'states' must be a list out of {', '.join(STATES)}")
        newest = request.get("newest") is True
        wanted = self._wanted(request, known=False)
        if len(wanted) == 1 and wanted[0][0] == wanted[0][1] < self._ledger.next_id:
            self._job(wanted[0][0])  # which says why there is none
        spans = [(max(low, after + 1), high) for low, high in wanted if high > after]
        pages = (self._store.page(span, states, newest) for span in (reversed(spans) if newest else spans))
        shown, more = _fitting(chain.from_iterable(pages), limit)
        if newest:
            shown.reverse()
        return {"jobs": [wire.job_to_wire(job) for job in shown], "next": shown[-1].id if more and not newest else None}

    def _cancel(self, request: Request, session: Any, now: Now) -> Reply:
        wanted = self._wanted(request)
        grace = request.get("grace", DEFAULT_GRACE)
        if not isinstance(grace, (int, float)) or isinstance(grace, bool) or not 0 <= grace <= MAX_SECONDS:
            raise BadRequest("'grace' must be a number of seconds")
        if request.get("queued_only") is True:
            return self._cancel_named(wanted, now)
        stopping = self._ledger.want_end(wanted, float(grace))
        cancelled = self._ledger.cancel_pending(wanted, now.wall)
        more = len(cancelled) == PIECE
        reply: Reply = {"cancelled": ranges(cancelled), "stopping": ranges(stopping), "ended": []}
        if request.get("jobs") is not None and not more:
            reply["ended"] = self._ended(wanted, cancelled)
        reply["next"] = cancelled[-1] if more else None
        return reply

    def _cancel_named(self, wanted: Sequence[Range], now: Now) -> Reply:
        """As the seed's clients cancel: queued jobs only, each named in the reply."""
        named: List[Reply] = []
        while True:
            ids = self._ledger.cancel_pending(wanted, now.wall)
            named += _named([self._job(job_id) for job_id in ids])
            if len(ids) < PIECE:
                return {"jobs": named}

    def _wait(self, request: Request, session: Any, now: Now) -> Reply:
        wanted = self._wanted(request)
        timeout = request.get("timeout")
        if timeout is not None and not (isinstance(timeout, (int, float)) and 0 <= timeout <= MAX_SECONDS):
            raise BadRequest("'timeout' must be a number of seconds")
        request = {**request, "jobs": [list(span) for span in wanted]}  # "all" means: all that there are now
        left = sum(self._count(wanted, state) for state in (*PENDING, *LIVE))
        until = None if timeout is None else now.steady + timeout
        if left == 0:
            return self.answer(request, True)
        if "attempt" not in request:
            return self._park("end", session, request, wanted, left, until)
        job = self._job(wanted[0][0])
        if (job.state, job.attempt) not in [(state, request["attempt"]) for state in LIVE]:
            return self.answer(request, False)
        return self._park("attempt", session, request, wanted, left, until)

    def _output(self, request: Request, session: Any, now: Now) -> Reply:
        """Where `ask` finds a job's output; with `follow`, once the job has started."""
        job = self._job(wire.whole(request, "job", 0, wire.MAX_ID))
        if request.get("follow") is True and job.state in (*PENDING, STARTING):
            return self._park("start", session, request, [(job.id, job.id)], 1, None)
        return self._where_output_is(request)

    def _stop(self, request: Request, session: Any, now: Now) -> Reply:
        reply = {"running": len(self._ledger.live), "queued": self._ledger.counts[QUEUED]}
        if request.get("if_idle") is True and (reply["running"] or reply["queued"]):
            return reply
        if request.get("kill") is True:
            self._ledger.want_end(everything(self._ledger), DEFAULT_GRACE)
        self.stopping = True
        return reply

    def _park(
        self, what: str, session: Any, request: Request, wanted: Sequence[Range], left: int, until: Optional[float]
    ) -> Reply:
        if self._waits is None:
            raise NoManager(f"no manager runs the queue of {self._where.door}, so nothing will happen to these jobs")
        self._waits.add(what, session, request, wanted, left, until)
        return PARKED

    def _where_output_is(self, request: Request) -> Reply:
        job = self._job(wire.whole(request, "job", 0, wire.MAX_ID))
        paths = {
            stream: workspace.output_path(self._where.jobs, job.id, max(1, job.attempt), stream)
            for stream in workspace.STREAMS
        }
        reply = {**paths, "final": job.state in FINAL, "record": wire.job_to_wire(job)}
        retention = self._ledger.retention
        if job.state in FINAL and (job.ended or 0) < retention.cleaned_to:
            kept = f"outputs are kept for {retention.keep_days} days" if retention.keep_days else "it was too old"
            reply["gone"] = f"the output of job {job.id}, if it had any, was removed: {kept}"
        return reply

    def _wanted(self, request: Request, known: bool = True) -> Sequence[Range]:
        """The ranges that a request names; without any, all jobs that there are. An id never given is refused."""
        wanted = wire.job_set(request)
        if wanted is None:
            return everything(self._ledger)
        if known:
            for low, high in wanted:
                if high >= self._ledger.next_id:
                    raise UnknownJob(f"no job {max(low, self._ledger.next_id)} in this queue", self._ids())
        return _merged(wanted)

    def _count(self, wanted: Sequence[Range], state: str) -> int:
        """How many of these jobs are in the state. Of all jobs that is known; a million take long to count.

        So it is of those from the first one on, even if their records are gone: all, less those that came later.
        """
        if len(wanted) == 1 and wanted[0][0] == 0:
            return self._ledger.counts[state] - self._store.count((wanted[0][1] + 1, self._ledger.next_id), state)
        return sum(self._store.count(span, state) for span in wanted)

    def _ids(self) -> str:
        last = self._ledger.next_id - 1
        return "it is empty" if last < 0 else f"the ids are 0 to {last}"

    def _job(self, job_id: int) -> Job:
        job = self._store.job(job_id)
        if job is None and job_id < self._ledger.next_id:
            kept = self._ledger.retention.keep_jobs
            hint = f"records of the last {kept} ended jobs are kept" if kept else ""
            raise UnknownJob(f"no record of job {job_id} any more", hint)
        if job is None:
            raise UnknownJob(f"no job {job_id} in this queue", self._ids())
        return job

    def _ended(self, wanted: Sequence[Range], cancelled: Sequence[int]) -> Sequence[Range]:
        """What had ended before, for the first of the ranges' jobs."""
        just_now = set(cancelled)
        jobs = chain.from_iterable(self._store.page(span, FINAL) for span in wanted)
        return ranges(job.id for job in islice(jobs, PIECE) if job.id not in just_now)

    def _identity(self) -> Reply:
        where = self._where
        return {"host": os.uname().nodename, "pid": os.getpid(), "root": where.root, "pipe": where.pipe}


def _envs(request: Request) -> Dict[str, str]:
    """Environments that jobs of the request are to begin with: names of variables and their values, by digest."""
    envs = request.get("envs") or {}
    if not isinstance(envs, dict) or not all(isinstance(body, dict) for body in envs.values()):
        raise BadRequest("'envs' must be an object of objects")
    return {
        spec_json.digest("envs", name): spec_json.to_json(dict(spec_json.env("envs", body)))
        for name, body in envs.items()
    }


def _key(request: Request, name: str = "key") -> str:
    key = wire.text(request, name)
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest(f"'{name}' holds half of a surrogate pair, which is no text") from None
    return key


def _weight(spec: Spec) -> int:
    """At most the bytes that a job takes of the disk before it starts: in the log, and in the database."""
    return 2 * (sum(map(len, spec.program)) + len(spec.cwd or "") + ROW)


def _merged(wanted: Sequence[Range]) -> List[Range]:
    """The ranges in ascending order and without overlaps, so that no job counts twice."""
    merged: List[Range] = []
    for low, high in sorted(wanted):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _fitting(jobs: Iterable[Job], limit: int) -> Tuple[List[Job], bool]:
    """The first of these, as many as one reply may hold, and whether there are more."""
    found: List[Job] = []
    size = 0
    for job in jobs:
        if len(found) == limit or size > PAGE_TEXT:
            return found, True
        found.append(job)
        size += len(job.spec.command or "") + sum(map(len, job.spec.argv or ()))
    return found, False


def _named(jobs: Sequence[Job]) -> List[Reply]:
    return [{"job": _text(job.spec), "job_id": job.id} for job in jobs]


def _text(spec: Spec) -> str:
    if spec.argv is None:
        return spec.command or ""
    return " ".join(shlex.quote(word) for word in spec.argv)
