"""Which queued jobs go from one target to another, so that none waits for long where others would start sooner."""

from __future__ import annotations

from typing import Collection, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence

from sjs.core import placement
from sjs.core.job import Job, Report
from sjs.core.lifecycle import HELD, MOVING, QUEUED, WAITING
from sjs.core.needs import Needs
from sjs.values import replace


class Candidate(NamedTuple):
    """A job that may go. `among`: whither, by the word that chose its target; None: anywhere. `unfit`: who could never
    run it. `spilled`: it is where it is because others had no room, and goes back to them once they have."""

    id: int
    needs: Needs
    among: Optional[FrozenSet[str]] = None
    unfit: FrozenSet[str] = frozenset()
    spilled: bool = False


class Parting(NamedTuple):
    """These jobs go from one target to another."""

    source: str
    target: str
    jobs: Sequence[int]


def stays(job: Job, wanted: bool) -> str:
    """Why a job does not go; "" if it may. `wanted`: somebody has named it, or wants all to go.

    Who has run here has attempts and outputs here; who waits for others has them here; whose job it is was settled
    here. Who was sent here by name, or is held, or waits for its time, goes only if somebody wants it to, and is held,
    and waits, over there.
    """
    if job.state not in (QUEUED, HELD, WAITING):
        return "is on its way already" if job.state == MOVING else f"is {job.state}"
    if job.attempt:
        return "has run there before"
    if job.submitter:
        return "came through a gate, which is that machine's"
    if job.state == WAITING and job.due is None:
        return "waits for other jobs there"
    if not wanted and job.state != QUEUED:
        return "is held" if job.state == HELD else "waits for its time"
    return "" if wanted or job.via else "was sent there by name"


def partings(
    reports: Sequence[Report], queues: Mapping[str, Sequence[Candidate]], to: Collection[str], wanted: bool = False
) -> List[Parting]:
    """Who goes where. `queues`: of each target the jobs that may leave it, that one first which should leave first, as
    it would start last; `to`: who may get some. `wanted`: all of them are to go, whatever is gained by it.

    From whoever has the most work for its slots, as long as the job would start at once over there, or the backlog for
    each slot is longer here, even then. Who starts nothing at all (drained, or maximum 0), or is sick, gives
    all, and gets none.
    """
    return _Balance(reports, queues, to, wanted).partings()


class _Balance:
    def __init__(
        self, reports: Sequence[Report], queues: Mapping[str, Sequence[Candidate]], to: Collection[str], wanted: bool
    ) -> None:
        self._now: Dict[str, Report] = {one.name: one for one in reports}
        self._queues = {name: list(reversed(jobs)) for name, jobs in queues.items()}
        self._to = [name for name in self._now if name in to and not is_shut(self._now[name])]
        self._wanted = wanted
        self._found: Dict[str, Dict[str, List[int]]] = {}

    def partings(self) -> List[Parting]:
        while any(self._queues.values()):
            source = max((name for name, jobs in self._queues.items() if jobs), key=self._fullness)
            job = self._queues[source].pop()
            target = self._best(source, job)
            if target is not None and (self._wanted or self._gains(source, target, job)):
                self._take(source, target, job)
        return [
            Parting(source, target, sorted(jobs))
            for source, targets in self._found.items()
            for target, jobs in targets.items()
        ]

    def _fullness(self, name: str) -> float:
        one = self._now[name]
        return float("inf") if is_shut(one) else (one.running + one.queued) / one.max_running

    def _best(self, source: str, job: Candidate) -> Optional[str]:
        """Where it would start at once, with most places; else where there is the least to do before it."""
        able = [
            name
            for name in self._to
            if name != source
            and (job.among is None or name in job.among)
            and name not in job.unfit
            and placement.can_hold(self._now[name], job.needs)
        ]
        return min(able, key=lambda name: (-self._places(name, job.needs), self._fullness_with(name)), default=None)

    def _gains(self, source: str, target: str, job: Candidate) -> bool:
        here, needs = self._now[source], job.needs
        if is_shut(here):
            return True
        if job.spilled:
            return self._places(target, needs) > 0
        if here.running + here.queued <= here.max_running and placement.places(_emptied(here), needs, 1):
            return False  # it starts here, too, without waiting for anybody
        return self._places(target, needs) > 0 or self._fullness_with(target) < self._fullness(source)

    def _places(self, name: str, needs: Needs) -> int:
        return placement.places(self._now[name], needs, 1)

    def _fullness_with(self, name: str) -> float:
        """How full it is with one job more."""
        one = self._now[name]
        return (one.running + one.queued + 1) / one.max_running

    def _take(self, source: str, target: str, job: Candidate) -> None:
        self._found.setdefault(source, {}).setdefault(target, []).append(job.id)
        here = self._now[source]
        self._now[source] = replace(here, queued=max(0, here.queued - 1))
        (self._now[target],) = placement.after([self._now[target]], [(target, 1)], job.needs)


def is_shut(report: Report) -> bool:
    """Whether nothing starts there, or had better not."""
    return report.drained or report.max_running == 0 or bool(report.sick)


def _emptied(report: Report) -> Report:
    """As it would be if nobody waited."""
    return replace(report, queued=0)
