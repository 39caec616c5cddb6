"""In the manager: one function for each request. They read and change the ledger; none touches a process or a pipe.

Here are those by which jobs come in and are waited for; `steering` has those that change what happens, `settings`
what is set, `explaining` those that ask. A handler gives the reply's fields, or PARKED when the reply is to come later.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Optional, Sequence

from sjs import __version__, spec_json, wire
from sjs.compact import to_json
from sjs.core.job import Range, Spec
from sjs.core.lifecycle import FINAL, LIVE, MOVING, PENDING, QUEUED, STARTING, STATES
from sjs.core.needs import WHOLE, Needs
from sjs.core.why import cannot_hold, lacks
from sjs.daemon.ground import workspace
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.space import Space
from sjs.daemon.manager.explaining import Condition, Explaining
from sjs.daemon.manager.moving import Moving
from sjs.daemon.manager.settings import Settings
from sjs.daemon.manager.steering import MAX_SECONDS, Steering
from sjs.daemon.manager.subjects import Reply, Request, Subjects, everything, key_of, submitter
from sjs.daemon.manager.sweeps import Sweeps
from sjs.daemon.manager.waits import ANY, Waits
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest, Full, NoManager, NoSnapshot, Refused, Stopping, TooLarge, UnknownRequest
from sjs.snapshots.store import Store as Snapshots

PARKED: Reply = {}
"""What a handler gives when `Waits` is to answer."""

ROW = 200
"""Bytes of a queued job's row besides its texts."""

MAX_KEYS = 1_000
"""Keys of one reply to `lookup`."""


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
        self.condition = Condition()
        self._snapshots = Snapshots(where.snapshots)
        self._subjects = Subjects(ledger, store)
        self._explaining = Explaining(where, ledger, store, self._subjects, self.condition, space)
        self._table: Dict[str, Callable[[Request, Any, Now], Reply]] = {
            "output": self._output,
            "wait": self._wait,
            "changes": self._changes,
            "submit": self._submit,
            "lookup": self._lookup,
            "stop": self._stop,
            **self._explaining.table,
            **Steering(ledger, store, self._subjects).table,
            **Settings(ledger, store, space).table,
            **Moving(ledger, store, self._subjects).table,
            **Sweeps(store, self._subjects).table,
        }

    def handle(self, request: Request, session: Any, now: Now) -> Reply:
        """The reply to one request, or the SjsError that says why not."""
        handler = self._table.get(str(request.get("op")))
        if handler is None:
            raise UnknownRequest(f"no such request: {request.get('op')!r:.40}", "the manager may be an older version")
        return handler(request, session, now)

    def hello(self, records: bool = False) -> Reply:
        """The first line of a session. `records`: it is read from what a manager left."""
        return {
            "hello": {
                "version": __version__,
                "wire": wire.VERSION,
                **self._explaining.identity(),
                "hooks": self._ledger.hooks.said,
                "submitters": True,
                "snapshots": True,
                "sweeps": True,
                "attempts": True,
                "artifacts": True,
                "records": records,
            }
        }

    def answer(self, request: Request, done: bool) -> Reply:
        """The reply to a request that has waited."""
        if request["op"] == "output":
            return self._where_output_is(request)
        if request["op"] == "changes":
            return {"version": self._version()}
        wanted = self._subjects.wanted(request)
        counts = {state: self._subjects.count(wanted, state) for state in STATES}
        counts[wire.REMOVED] = sum(high - low + 1 for low, high in wanted) - sum(counts.values())
        reply: Reply = {"done": done, "counts": {state: count for state, count in counts.items() if count}}
        if len(wanted) == 1 and wanted[0][0] == wanted[0][1]:
            reply["job"] = wire.job_to_wire(self._subjects.job(wanted[0][0]))
        return reply

    def _submit(self, request: Request, session: Any, now: Now) -> Reply:
        jobs = request.get("jobs")
        if not isinstance(jobs, list) or not 1 <= len(jobs) <= wire.MAX_CHUNK_JOBS:
            raise BadRequest(f"'jobs' must be a list of 1 to {wire.MAX_CHUNK_JOBS} jobs")
        key = key_of(request) if request.get("key") is not None else None
        specs = [spec_json.from_wire(body) for body in jobs]
        if key is None or self._store.submit(key) is None:
            self._check_room(request, specs)
        by, via = submitter(request), _via(request)
        first, count, repeated = self._ledger.submit(key, specs, now.wall, _envs(request), by, via)
        return {"first": first, "count": count, "repeated": repeated, "max": self._ledger.max_running}

    def _check_room(self, request: Request, specs: Sequence[Spec]) -> None:
        """Refuse jobs that cannot be taken. What was taken before under its key never comes here: a refusal proves
        that it was not."""
        if self.condition.stopping:
            raise Stopping("this manager is about to stop")
        if self._space is not None:
            self._space.check(sum(map(_weight, specs)))
        for snapshot in {spec.snapshot.id for spec in specs if spec.snapshot is not None}:
            if not self._snapshots.is_whole(snapshot):
                raise NoSnapshot(f"snapshot {snapshot:.12} is not on this machine", "hand in from where it was taken")
        if self._ledger.is_elsewhere and any(spec.needs.gpu_mem or spec.needs.gpus % WHOLE for spec in specs):
            raise Refused("Slurm gives whole GPUs, not parts of one, nor one with so much memory", "ask for whole ones")
        if self._ledger.holdings.is_known:
            for needs in {spec.needs for spec in specs}:
                missing = lacks(self._ledger.holdings.machine, needs)
                if missing:
                    raise TooLarge(cannot_hold(missing, self._ledger.is_elsewhere), "ask for less, or another target")
        if submitter(request) and "most" in request:
            self._check_share(submitter(request), len(specs), wire.whole(request, "most", 0, wire.MAX_ID))
        if request.get("if_free") is True:
            self._check_free(specs)

    def _check_share(self, name: str, more: int, most: int) -> None:
        """Refuse to take more of one submitter's jobs than may wait and run at a time."""
        has = len(self._store.ids_of(name, (*PENDING, *LIVE), everything(self._ledger), most + 1))
        if has + more > most:
            raise Full(f"{name} may have {most} jobs that have not ended, and has {has}", "hand in fewer, or wait")

    def _check_free(self, specs: Sequence[Spec]) -> None:
        """Refuse jobs that could not all start now."""
        left = self._ledger.snapshot(True).room()
        left.take(Needs(slots=self._ledger.counts[QUEUED]), ())  # each of these takes one at least
        for free, spec in enumerate(specs):
            grant = None if self._ledger.gates.reasons else left.grant(spec.needs)
            if grant is None:
                missing = [kind for kind in left.missing(spec.needs) if kind != "slots"]
                if missing:
                    raise Full(f"not enough {' and '.join(missing)} free for {len(specs)} job(s)")
                raise Full(f"{free} free slots for {len(specs)} jobs" if free else "no free slot")
            left.take(spec.needs, grant)

    def _lookup(self, request: Request, session: Any, now: Now) -> Reply:
        """Which chunks were taken under a key: what stands behind it in their own keys, and the ids they got."""
        after = key_of(request, "after") if "after" in request else ""
        rows = self._store.submits(f"{key_of(request)}/", after, MAX_KEYS)
        return {"parts": rows, "next": rows[-1][0] if len(rows) == MAX_KEYS else None}

    def _wait(self, request: Request, session: Any, now: Now) -> Reply:
        wanted = self._subjects.wanted(request)
        until = _until(request, now)
        request = {**request, "jobs": [list(span) for span in wanted]}  # "all" means: all that there are now
        left = self._subjects.unended(wanted)
        if left == 0:
            return self.answer(request, True)
        if "attempt" not in request:
            return self._park("end", session, request, wanted, left, until, lambda: self._subjects.unended(wanted))
        job = self._subjects.job(wanted[0][0])
        if (job.state, job.attempt) not in [(state, request["attempt"]) for state in LIVE]:
            return self.answer(request, False)
        return self._park("attempt", session, request, wanted, left, until)

    def _changes(self, request: Request, session: Any, now: Now) -> Reply:
        """At once where this is not the version that the client has seen; else when something has changed."""
        until = _until(request, now)
        if request.get("since") != self._version():
            return {"version": self._version()}
        return self._park("change", session, request, [ANY], 1, until)

    def _version(self) -> str:
        return f"{os.getpid()}-{self._store.changes}"

    def _output(self, request: Request, session: Any, now: Now) -> Reply:
        """Where `ask` finds a job's output; with `follow`, once the job has started."""
        job = self._subjects.own_named(request)
        if request.get("follow") is True and job.state in (*PENDING, MOVING, STARTING):
            return self._park("start", session, request, [(job.id, job.id)], 1, None)
        return self._where_output_is(request)

    def _stop(self, request: Request, session: Any, now: Now) -> Reply:
        counts = self._subjects.shown_counts(self._ledger.counts)
        handed = counts[QUEUED] - self._ledger.counts[QUEUED]  # elsewhere: they have not begun
        waiting = sum(counts[state] for state in (*PENDING, MOVING))
        reply = {"running": len(self._ledger.live) - handed, "queued": waiting}
        if request.get("if_idle") is True and (reply["running"] or reply["queued"]):
            return reply
        if request.get("kill") is True:
            self._ledger.want_end(everything(self._ledger), None)
        if request.get("undrain") is True:
            self._ledger.drain(False)
        self.condition.stopping = True
        return reply

    def _park(
        self,
        what: str,
        session: Any,
        request: Request,
        wanted: Sequence[Range],
        left: int,
        until: Optional[float],
        more: Callable[[], int] = int,
    ) -> Reply:
        if self._waits is None:
            raise NoManager(f"no manager runs the queue of {self._where.door}, so nothing will happen to these jobs")
        self._waits.add(what, session, request, wanted, left, until, more)
        return PARKED

    def _where_output_is(self, request: Request) -> Reply:
        job = self._subjects.named(request)
        last = max(1, job.attempt)
        attempt = wire.whole(request, "of", 1, wire.MAX_ID, last)
        if attempt > last:
            raise Refused(f"job {job.id} has had {job.attempt} attempt(s)", "`details` shows them")
        paths = {
            stream: workspace.output_path(self._where.jobs, job.id, attempt, stream) for stream in workspace.STREAMS
        }
        record = {**wire.job_to_wire(job), "attempt": min(attempt, job.attempt)}
        reply = {**paths, "final": job.state in FINAL or attempt < last, "record": record}
        if self._ledger.is_elsewhere:
            reply["elsewhere"] = True
        retention = self._ledger.retention
        if job.state in FINAL and (job.ended or 0) < retention.cleaned_to:
            kept = f"outputs are kept for {retention.keep_days} days" if retention.keep_days else "it was too old"
            reply["gone"] = f"the output of job {job.id}, if it had any, was removed: {kept}"
        return reply


def _until(request: Request, now: Now) -> Optional[float]:
    """When it has waited long enough."""
    timeout = request.get("timeout")
    if timeout is not None and not (isinstance(timeout, (int, float)) and 0 <= timeout <= MAX_SECONDS):
        raise BadRequest("'timeout' must be a number of seconds")
    return None if timeout is None else now.steady + timeout


def _envs(request: Request) -> Dict[str, str]:
    """Environments that jobs of the request are to begin with: names of variables and their values, by digest."""
    envs = request.get("envs") or {}
    if not isinstance(envs, dict) or not all(isinstance(body, dict) for body in envs.values()):
        raise BadRequest("'envs' must be an object of objects")
    return {spec_json.digest("envs", name): to_json(dict(spec_json.env("envs", body))) for name, body in envs.items()}


def _via(request: Request) -> str:
    """The word for several targets by which the jobs came."""
    return key_of(request, "via") if request.get("via") is not None else ""


def _weight(spec: Spec) -> int:
    """At most the bytes that a job takes of the disk before it starts: in the log, and in the database."""
    return 2 * (sum(map(len, spec.program)) + len(spec.cwd or "") + ROW)
