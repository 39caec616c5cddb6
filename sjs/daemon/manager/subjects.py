"""In the manager: which jobs a request is about, and what there is to be said when there are none such."""

from __future__ import annotations

import shlex
from itertools import product
from typing import Any, Dict, List, Mapping, Sequence

from sjs import wire
from sjs.core.job import Job, Range, Spec, ranges
from sjs.core.lifecycle import QUEUED, STARTING, STATES, UNENDED
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.store import Store
from sjs.errors import BadRequest, Refused, UnknownJob

Request = Dict[str, Any]
Reply = Dict[str, Any]

ENOUGH = 1_000
"""Jobs that are counted where it matters whether there are any left."""

NO_STATE = "nowhere"
"""A state in which there is no job."""

MANY = 10_000
"""Jobs of one submitter that one request may be about."""


class Subjects:
    """The jobs of one queue, as requests name them."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self._ledger = ledger
        self._store = store

    def wanted(self, request: Request, known: bool = True) -> Sequence[Range]:
        """The ranges that a request names; without any, all jobs that there are. An id never given is refused."""
        wanted = wire.job_set(request)
        if wanted is None:
            return everything(self._ledger)
        if known:
            for low, high in wanted:
                if high >= self._ledger.next_id:
                    raise UnknownJob(f"no job {max(low, self._ledger.next_id)} in this queue", self._ids())
        return merged(wanted)

    def wanted_after(self, request: Request, known: bool = True) -> Sequence[Range]:
        """The same, for a request that is asked again for the rest (`after`)."""
        after = wire.whole(request, "after", -1, wire.MAX_ID, -1)
        return [(max(low, after + 1), high) for low, high in self.wanted(request, known) if high > after]

    def own(self, request: Request, states: Sequence[str]) -> Sequence[Range]:
        """The same, of jobs that are to be changed: where it is said for whom, only what he brought. Of all his jobs,
        those in one of the states."""
        wanted = self.wanted_after(request)
        name = submitter(request)
        if not name:
            return wanted
        is_named = request.get("jobs") is not None
        found = self._store.ids_of(name, STATES if is_named else states, wanted, MANY + 1)
        if len(found) > MANY:
            raise Refused(f"more than {MANY} jobs of {name} at once", "name some of them")
        if is_named and not found and "after" not in request:
            raise Refused(f"none of these jobs was brought by {name}", "others' jobs can be looked at, not changed")
        return ranges(found)

    def own_named(self, request: Request) -> Job:
        """The one job that a request is about, if it is said for whom, of him."""
        job = self.named(request)
        if job.submitter != (submitter(request) or job.submitter):
            raise Refused(
                f"job {job.id} was not brought by {submitter(request)}", "only who brought it reads its output"
            )
        return job

    def job(self, job_id: int) -> Job:
        """The job, or the error that says why there is none."""
        job = self._store.job(job_id)
        if job is None and job_id < self._ledger.next_id:
            kept = self._ledger.retention.keep_jobs
            hint = f"records of the last {kept} ended jobs are kept" if kept else ""
            raise UnknownJob(f"no record of job {job_id} any more", hint)
        if job is None:
            raise UnknownJob(f"no job {job_id} in this queue", self._ids())
        return self._ledger.shown(job)

    def named(self, request: Request) -> Job:
        """The one job that a request is about."""
        return self.job(wire.whole(request, "job", 0, wire.MAX_ID))

    def unended(self, wanted: Sequence[Range]) -> int:
        """How many of these jobs have not ended; of more, ENOUGH."""
        found = 0
        for span, state in product(wanted, UNENDED):
            found += self._store.count(span, state, ENOUGH - found)
            if found == ENOUGH:
                break
        return found

    def count(self, wanted: Sequence[Range], state: str) -> int:
        """How many of these jobs are in the state. Of all jobs that is known; a million take long to count.

        So it is of those from the first one on, even if their records are gone: all, less those that came later. And
        of most that there are, if all have records.
        """
        if self._ledger.is_elsewhere and state in (QUEUED, STARTING):
            rows = (QUEUED, STARTING) if state == QUEUED else ()
            return sum(self._store.count(span, one) for one in rows for span in wanted)
        shown = self._ledger.grants.count(wanted, state)
        if len(wanted) != 1:
            return shown + sum(self._store.count(span, state) for span in wanted)
        low, high = wanted[0]
        last = self._ledger.next_id - 1
        if state in UNENDED or not self._ledger.retention.removed:
            is_less_outside = high - low > last / 2
        else:
            is_less_outside = low == 0
        if not is_less_outside:
            return shown + self._store.count((low, high), state)
        outside = sum(self._store.count(span, state) for span in ((0, low - 1), (high + 1, last)))
        return shown + self._ledger.counts[state] - outside

    def shown_counts(self, counts: Mapping[str, int]) -> Dict[str, int]:
        """How many jobs are in which state, as people know them (`Ledger.shown`)."""
        found = dict(counts)
        if self._ledger.is_elsewhere:
            found[QUEUED] = found.get(QUEUED, 0) + found.pop(STARTING, 0)
        return found

    def states_of(self, request: Request) -> Sequence[str]:
        """The states of rows that are asked for; none where it does not matter."""
        states = states_of(request)
        if not self._ledger.is_elsewhere or not states:
            return states
        rest = [state for state in states if state != STARTING]
        return [*rest, STARTING] if QUEUED in rest else rest or [NO_STATE]

    def _ids(self) -> str:
        last = self._ledger.next_id - 1
        return "it is empty" if last < 0 else f"the ids are 0 to {last}"


def submitter(request: Request) -> str:
    """For whom it is asked, by whoever stands between him and the queue; nothing where nobody does."""
    return wire.text(request, "submitter") if request.get("submitter") is not None else ""


def states_of(request: Request) -> Sequence[str]:
    """The states that are asked for; none where it does not matter."""
    states = request.get("states") or []
    if not isinstance(states, list) or any(state not in STATES for state in states):
        raise BadRequest(f"'states' must be a list out of {', '.join(STATES)}")
    return states


def key_of(request: Request, name: str = "key") -> str:
    """A name that a client gave."""
    key = wire.text(request, name)
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest(f"'{name}' holds half of a surrogate pair, which is no text") from None
    return key


def everything(ledger: Ledger) -> List[Range]:
    """All ids that were given so far."""
    return ranges(()) if ledger.next_id == 0 else [(0, ledger.next_id - 1)]


def merged(wanted: Sequence[Range]) -> List[Range]:
    """The ranges in ascending order and without overlaps, so that no job counts twice."""
    found: List[Range] = []
    for low, high in sorted(wanted):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def summaries(jobs: Sequence[Job]) -> List[Reply]:
    """Jobs in short: what they run, and their ids."""
    return [{"job": _text(job.spec), "job_id": job.id} for job in jobs]


def _text(spec: Spec) -> str:
    if spec.argv is None:
        return spec.command or ""
    return " ".join(shlex.quote(word) for word in spec.argv)
