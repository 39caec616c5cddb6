"""In the manager: requests that only ask how things are. None of them changes anything."""

from __future__ import annotations

import json
import os
import time
from itertools import chain
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from sjs import spec_json, wire
from sjs.core import slurm_reasons
from sjs.core.job import Job, Range
from sjs.core.lifecycle import HELD, MOVING, QUEUED, STARTING, WAITING
from sjs.core.why import MANY, NAMED, Case, why
from sjs.daemon.ground import kind as kinds
from sjs.daemon.ground import resources
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.daemon.ground.space import LOW_WATER, Space
from sjs.daemon.manager.subjects import Reply, Request, Subjects, summaries
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.rows import Filter, grant_from_text, place_from_text
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest
from sjs.values import dataclass

PAGE_TEXT = 512 << 10
"""Characters of commands in one reply. On the wire one may become six bytes, and a line has its limit."""

LOOK = 20_000
"""Jobs that one request looks at where few of them may be wanted."""

FAR = 90 * 86400.0
"""Seconds until a start that Slurm expects is said: of a job without a time limit it takes it that it runs a year."""

RELATIVES = 1_000
"""Parents and children that are named."""


@dataclass
class Condition:
    """How the manager is. `trouble`: why nothing starts, if that is so; `elsewhere`: why nothing can be handed on to
    those who run its jobs; `longest_turn`: in seconds."""

    stopping: bool = False
    trouble: str = ""
    elsewhere: str = ""
    longest_turn: float = 0.0


class Explaining:
    """The requests of one queue that ask."""

    def __init__(
        self,
        where: Places,
        ledger: Ledger,
        store: Store,
        subjects: Subjects,
        condition: Condition,
        space: Optional[Space],
    ) -> None:
        self._where = where
        self._kind = kinds.of(where)
        self._ledger = ledger
        self._store = store
        self._subjects = subjects
        self._condition = condition
        self._space = space
        self.table: Dict[str, Callable[[Request, Any, Now], Reply]] = {
            "report": self._report,
            "list": self._list,
            "details": self._details,
            "why": self._why,
            "environment": self._environment,
        }

    def identity(self) -> Reply:
        """Whose queue this is."""
        where = self._where
        return {
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "root": where.root,
            "pipe": where.pipe,
            "program": OURS.folder,
            **({"kind": self._kind} if self._kind else {}),
        }

    def _report(self, request: Request, session: Any, now: Now) -> Reply:
        ledger = self._ledger
        head = wire.whole(request, "head", 0, wire.MAX_HEAD, 0)
        counts = self._subjects.shown_counts(ledger.counts)
        waiting = counts[QUEUED] - ledger.counts[QUEUED]  # elsewhere: they have been handed on, and have not begun
        begun = sorted(job_id for job_id, one in ledger.live.items() if not waiting or one.state != STARTING)
        live, _ = fitting((self._subjects.job(job_id) for job_id in begun), head)
        first = (self._subjects.job(job_id) for job_id in sorted(ledger.live) if waiting and job_id not in begun)
        queued, _ = fitting(chain(first, ledger.first(head)), head)
        return {
            "running": len(ledger.live) - waiting,
            "max": ledger.max_running,
            **{state: counts[state] for state in (QUEUED, WAITING, HELD, MOVING)},
            "head": summaries(queued),
            "live": summaries(live),
            "counts": counts,
            **wire.machine_to_wire(ledger.holdings.machine, ledger.snapshot(True).room()),
            "load": round(os.getloadavg()[0], 2),
            "mem_free": resources.free_memory(),
            "health": vars(ledger.endings.health),
            "drained": ledger.gates.drained,
            "paused": ledger.gates.paused,
            "longest_turn": round(self._condition.longest_turn, 6),
            "keep_days": ledger.retention.keep_days,
            "keep_jobs": ledger.retention.keep_jobs,
            "removed": ledger.retention.removed,
            LOW_WATER: 0 if self._space is None else self._space.mark,
            "trouble": self._condition.trouble or self._condition.elsewhere,
            **self.identity(),
        }

    def _list(self, request: Request, session: Any, now: Now) -> Reply:
        limit = wire.whole(request, "limit", 1, wire.MAX_PAGE, wire.MAX_PAGE)
        states = self._subjects.states_of(request)
        newest = request.get("newest") is True
        only = _filter(request)
        wanted = self._subjects.wanted_after(request, known=False)
        if len(wanted) == 1 and wanted[0][0] == wanted[0][1] < self._ledger.next_id:
            self._subjects.job(wanted[0][0])  # which says why there is none
        before = wire.whole(request, "before", 0, wire.MAX_ID, self._ledger.next_id)
        spans = [(low, min(high, before - 1)) for low, high in wanted if low < before]
        beyond = None
        if not only.is_indexed(states):
            spans, beyond = _first_of(spans, newest)
        pages = (self._store.page(span, states, newest, only) for span in (reversed(spans) if newest else spans))
        shown, more = fitting(map(self._ledger.shown, chain.from_iterable(pages)), limit)
        rest = shown[-1].id if more else beyond
        if newest:
            shown.reverse()
        return {"jobs": [wire.job_to_wire(job) for job in shown], "next": rest}

    def _details(self, request: Request, session: Any, now: Now) -> Reply:
        """All that is known of one job."""
        job = self._subjects.named(request)
        parents = [[kind, list(spans)] for kind, spans in job.spec.after]
        return {
            "job": wire.job_to_wire(job),
            "attempts": [_readable(one) for one in self._store.attempts(job.id)],
            "parents": parents,
            "children": self._store.children_of(job.id, RELATIVES),
        }

    def _environment(self, request: Request, session: Any, now: Now) -> Reply:
        """What jobs begin with that name it so."""
        name = wire.text(request, "digest")
        body = self._store.environment(name)
        if body is None:
            raise BadRequest(f"no environment {name:.16}… in this queue")
        return {"variables": json.loads(body)}

    def _why(self, request: Request, session: Any, now: Now) -> Reply:
        job = self._subjects.named(request)
        pending = self._store.pending(job.id)
        move = self._store.mover(job.id)
        parents = list(self._parents(job)) if pending is not None and pending.blockers else []
        case = Case(
            job=job,
            snapshot=self._ledger.snapshot(True, now.wall),
            shut=self._shut(),
            before=self._store.queued_before(job.spec.priority, job.id, MANY) if job.state == QUEUED else 0,
            parents=parents,
            more_parents=pending.blockers - len(parents) if pending is not None else 0,
            until="" if job.due is None else _clock(job.due, now.wall),
            moving="" if move is None else move.target,
            elsewhere=self._elsewhere(job.id, now.wall),
            is_elsewhere=self._ledger.is_elsewhere,
        )
        return {"why": why(case), "state": job.state}

    def _elsewhere(self, job_id: int, now: float) -> List[str]:
        """What there is to be said of one that was handed on, and has not begun."""
        live = self._ledger.live.get(job_id) if self._ledger.is_elsewhere else None
        if live is None or live.state != STARTING:
            return []
        trouble = self._condition.elsewhere
        if trouble and not live.place:
            return [f"waits to be handed to Slurm, which takes nothing now: {trouble}"]
        horizon = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now + FAR))
        return slurm_reasons.lines(live.place, *live.said, os.path.join(self._where.state, "slurm"), horizon)

    def _shut(self) -> List[str]:
        condition = self._condition
        stopping = ["the manager is stopping"] if condition.stopping else []
        trouble = [f"the manager starts nothing now: {condition.trouble}"] if condition.trouble else []
        return stopping + self._ledger.gates.reasons + trouble

    def _parents(self, job: Job) -> Iterator[Tuple[str, int]]:
        """The first of those for which it still waits."""
        left = NAMED
        for kind, spans in job.spec.after:
            for span in spans:
                for parent in self._store.unended(span, left):
                    left -= 1
                    yield kind, parent


def _filter(request: Request) -> Filter:
    name, tag, since, sweep = (request.get(key) for key in Filter._fields)
    if name is not None and not isinstance(name, str):
        raise BadRequest("'name' must be a pattern")
    if tag is not None and not (isinstance(tag, list) and len(tag) == 2 and all(isinstance(one, str) for one in tag)):
        raise BadRequest("'tag' must be a pair [name, value]")
    if since is not None and (isinstance(since, bool) or not isinstance(since, (int, float))):
        raise BadRequest("'since' must be a time, in seconds since 1970")
    if sweep is not None:
        spec_json.sweep_name("sweep", sweep)
    return Filter(name, None if tag is None else (tag[0], tag[1]), since, sweep)


def _first_of(spans: Sequence[Range], newest: bool) -> Tuple[List[Range], Optional[int]]:
    """The first LOOK ids of the ranges, or the last ones, and the outermost of these if there are more."""
    found: List[Range] = []
    left = LOOK
    for low, high in reversed(spans) if newest else spans:
        if left == 0:
            break
        low, high = (max(low, high - left + 1), high) if newest else (low, min(high, low + left - 1))
        found.append((low, high))
        left -= high - low + 1
    if newest:
        found.reverse()
    if found == list(spans):
        return found, None
    return found, found[0][0] if newest else found[-1][1]


def _readable(attempt: Dict[str, Any]) -> Reply:
    """An attempt that was put aside, as records tell of the last one."""
    usage, gpus = attempt.pop("usage"), grant_from_text(attempt.pop("gpus"))
    place = dict(place_from_text(attempt.pop("place")))
    elsewhere = {"slurm": place} if place else {}
    return {**attempt, "usage": json.loads(usage) if usage else {}, "granted": gpus, **elsewhere}


def _clock(moment: float, now: float) -> str:
    """A time as people here write it."""
    there, here = time.localtime(moment), time.localtime(now)
    return time.strftime("%H:%M:%S" if there[:3] == here[:3] else "%Y-%m-%d %H:%M:%S", there)


def fitting(jobs: Iterable[Job], limit: int) -> Tuple[List[Job], bool]:
    """The first of these, as many as one reply may hold, and whether there are more."""
    found: List[Job] = []
    size = 0
    for job in jobs:
        if len(found) == limit or size > PAGE_TEXT:
            return found, True
        found.append(job)
        size += len(job.spec.command or "") + sum(map(len, job.spec.argv or ()))
    return found, False
