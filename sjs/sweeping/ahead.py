"""How many jobs of a sweep a machine is to have at a time. Pure."""

from __future__ import annotations

from sjs.core import placement
from sjs.core.job import Report
from sjs.core.needs import Needs
from sjs.values import dataclass, replace

SPAN = 5.0
"""Seconds by which the pace of a machine is judged."""

WORTH = 0.25
"""A machine that ends fewer jobs than this while it is being asked needs nothing in reserve."""

RESERVE = 2.0
"""What it has in reserve, in jobs that it ends while it is being asked."""

MANY = 100_000

FEW = 16
"""Jobs that a machine of an overflow gets at first."""


@dataclass(frozen=True)
class Ends:
    """So many jobs had ended on a machine at a moment."""

    at: float
    count: int


@dataclass(frozen=True)
class Pace:
    """How fast jobs end on a machine, by what was seen in the last seconds."""

    seen: tuple[Ends, ...] = ()

    def after(self, ends: Ends) -> Pace:
        """The same with what is known now."""
        old = [one for one in self.seen if one.at <= ends.at - SPAN]
        recent = [one for one in self.seen if one.at > ends.at - SPAN]
        return Pace((*old[-1:], *recent, ends))

    @property
    def rate(self) -> float:
        """Ends a second."""
        if len(self.seen) < 2:
            return 0.0
        first, last = self.seen[0], self.seen[-1]
        return (last.count - first.count) / max(last.at - first.at, 1e-3)


def reserve(pace: Pace, delay: float) -> int:
    """How many jobs are to wait on a machine, so that it has something to do until it is asked again, `delay` seconds
    from now. None where jobs take long: there, a slot that is free for that moment costs less than a job that waits
    behind others while another machine has nothing to do."""
    meanwhile = pace.rate * delay
    return 0 if meanwhile < WORTH else round(meanwhile * RESERVE + 0.5)


def overflowing(report: Report, needs: Needs, ours: int) -> int:
    """How many more a machine of an overflow is to get, which has so many of ours: none while some wait there, else
    what it can start, and no more than twice what it has."""
    if not placement.is_open(report) or report.queued:
        return 0
    return min(placement.places(report, needs, MANY), max(FEW, ours))


def wanted(report: Report, needs: Needs, in_reserve: int, has_ours: bool) -> int:
    """How many more jobs the machine is to get now. One where others' jobs fill it, so that ours keep a place in line
    there."""
    if report.drained or report.sick or report.max_running == 0:
        return 0
    places = placement.places(replace(report, queued=0), needs, MANY)
    count = places + in_reserve - report.queued
    return count if count > 0 else 0 if has_ours else 1
