"""What is asked of records: which of them, how many, and how they stand. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from sjs.answers import Filter, Members, SweepCounts, Waited
from sjs.core.job import Job, Range, Spec, ranges
from sjs.core.lifecycle import LIVE, PENDING
from sjs.targets.kubernetes.ends import Object, attempt_of, in_turn, index_of
from sjs.targets.kubernetes.records import Held
from sjs.targets.kubernetes.seen import Seen
from sjs.wire import REMOVED

FEW = 30
"""Jobs that are shown, if there are so many."""

HEARTBEAT = 30.0
"""Seconds after which a queue is shown though nothing has changed."""

PACE = 1.0
"""Seconds between two looks at least."""


def command(spec: Spec) -> str:
    """What it runs, as one would type it."""
    if not spec.is_known:
        return "(not readable)"
    return shlex.join(spec.argv) if spec.argv is not None else spec.command or ""


def is_wanted(job: Job, states: Sequence[str] | None, only: Filter) -> bool:
    """Whether it is one of those that are asked for."""
    if states is not None and job.state not in states:
        return False
    if only.name is not None and not fnmatchcase(job.spec.name, only.name):
        return False
    if only.tag is not None and only.tag not in job.spec.tags:
        return False
    if only.sweep is not None and (job.spec.task is None or job.spec.task.sweep != only.sweep):
        return False
    return only.since is None or max(job.submitted, job.started or 0.0, job.ended or 0.0) >= only.since


def shown(jobs: Iterable[Job], most: int) -> list[Job]:
    """Those that run, and a few that wait."""
    found = list(jobs)
    running = [job for job in found if job.state in LIVE][:most]
    return [*running, *[job for job in found if job.state in PENDING][: max(1, FEW - len(running))]]


def sweeps(jobs: Iterable[Job], name: str | None) -> list[SweepCounts]:
    """How the jobs of each sweep, or of that one, stand."""
    found: dict[str, list[Job]] = {}
    for job in jobs:
        if job.spec.task is not None and name in (None, job.spec.task.sweep):
            found.setdefault(job.spec.task.sweep, []).append(job)
    return [
        SweepCounts(sweep, counted(own), min(one.submitted for one in own), max(one.submitted for one in own))
        for sweep, own in found.items()
    ]


def members(jobs: Sequence[Job]) -> Members:
    """The jobs of a sweep, and what each of them tries."""
    own = [(job.id, job.spec.task) for job in jobs if job.spec.task is not None]
    return Members(ranges(number for number, _ in own), [task.setting for _, task in own])


def counted(jobs: Iterable[Job]) -> dict[str, int]:
    """How many are in which state."""
    counts: dict[str, int] = {}
    for job in jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    return counts


def have_ended(seen: Seen, wanted: Sequence[Range]) -> bool:
    """Whether nothing more comes of any of them, as far as the Jobs tell."""
    for one, spans in seen.current():
        for low, high in spans:
            for first, last in wanted:
                a, b = max(low, first), min(high, last)
                if a <= b and one.unended(a - one.first, b - one.first):
                    return False
    return True


def waited(jobs: Sequence[Job], wanted: Sequence[Range], done: bool) -> Waited:
    """What those that were waited for have come to."""
    counts = counted(jobs)
    missing = sum(high - low + 1 for low, high in wanted) - len(jobs)
    if missing > 0:
        counts[REMOVED] = missing
    single = len(wanted) == 1 and wanted[0][0] == wanted[0][1]
    return Waited(done, counts, jobs[0] if single and jobs else None)


def pods_of(one: Held, job: int, pods: Sequence[Object]) -> list[Object]:
    """The pods of one job, in the order in which they were made."""
    return in_turn(pod for pod in pods if not one.indexed or index_of(pod) == job - one.first)


def numbered(one: Held, job: int, pods: Sequence[Object], last: int) -> Iterator[tuple[int, Object]]:
    """The pods of one job, each with the number of the attempt that it is. `last`: that of the last one; if there are
    fewer, those that are gone were the first."""
    own = pods_of(one, job, pods)
    yield from enumerate(own, max(one.retried, last - len(own)) + 1)


def attempt(number: int, pod: Object) -> Mapping[str, Any]:
    """A pod as an attempt."""
    found = attempt_of(pod)
    end = found.end
    said = {
        "attempt": number,
        "reason": None if end is None else end.reason,
        "exit": None if end is None else end.exit,
        "signal": None if end is None else end.signal,
        "detail": None if end is None else end.detail or None,
        "started": found.started,
        "ended": found.ended,
    }
    return {**said, "pod": found.pod, "node": found.node or None}


def with_one_stream(job: Job) -> Job:
    """A container has one output for both."""
    from sjs.values import replace

    return replace(job, spec=job.spec.but(merge=True))
