"""Who gets which jobs of a command: the targets that are meant, by how they are, and what would have to wait there goes
to those of an overflow, if there is one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sjs.allowance import Allowance
from sjs.config import state_path
from sjs.core import placement
from sjs.core.job import Report, Spec
from sjs.core.needs import Needs
from sjs.core.overflow import Limits, Overflow, Spent, price
from sjs.errors import Full, SjsError, TooLarge, Unreachable
from sjs.fitting import Fitting
from sjs.plans import Plan
from sjs.routing import Fleet
from sjs.values import dataclass

Priced = tuple[str, Sequence[Spec]]
"""A target, and jobs there."""


@dataclass(frozen=True)
class Found:
    """Jobs from `start` up to before `stop`, and the target that took them in an earlier command, or is to get them."""

    start: int
    stop: int
    target: str


class Spill:
    """What one command hands in to an overflow. `is_rehearsed`: nothing of it will be."""

    def __init__(self, fleet: Fleet, overflow: Overflow, key: str, is_rehearsed: bool = False) -> None:
        self.overflow = overflow
        self._fleet = fleet
        self.key = key
        limits, folder = overflow.limits, state_path("overflow", os.environ)
        self._allowance = (
            None if limits == Limits() else Allowance(folder, overflow.group, limits, is_rehearsed=is_rehearsed)
        )
        self._reports: list[Report] | None = None
        self._went: Counter[tuple[str, str]] = Counter()
        self._stayed: Counter[str] = Counter()
        self.refusal = ""
        """Why not all jobs that were last to go did."""

    @property
    def reports(self) -> list[Report]:
        """How those are who get what overflows; they are asked when there is something for them."""
        if self._reports is None:
            self._reports = self._fleet.reports(self.overflow.names)
        return self._reports

    def leave_out(self, names: frozenset[str]) -> None:
        """These get nothing more."""
        self._reports = [one for one in self.reports if one.name not in names]

    def homes(self, jobs: Sequence[Spec], needs: Needs, out: frozenset[str], if_free: bool, why: str) -> Sequence[str]:
        """Where each of these jobs goes, which need the same; "" where that is nowhere. `out`: who may not have them;
        `why` they do not stay."""
        able = [one for one in self.reports if one.name not in out and placement.is_open(one)]
        count = min(len(jobs), sum(placement.places(one, needs, len(jobs)) for one in able)) if if_free else len(jobs)
        shares = placement.choose(able, count, needs=needs)
        names = [name for name, share in shares for _ in range(share)]
        granted, why_not = self.grant(self.key, list(zip(names, jobs, strict=False)))
        homes = [name if may_go else "" for name, may_go in zip(names, granted, strict=True)]
        going = Counter(filter(None, homes))
        self._reports = placement.after(self.reports, list(going.items()), needs)
        self._went.update({(name, why): share for name, share in going.items()})
        there = ", ".join(self.overflow.names)
        self.refusal = f"{self.overflow.group} {why}, and they may not go to {there}: {why_not}" if why_not else ""
        if why_not:
            self._stayed[why_not] += granted.count(False)
        return [*homes, *[""] * (len(jobs) - len(homes))]

    def grant(self, key: str, wanted: Sequence[tuple[str, Spec]]) -> tuple[Sequence[bool], str]:
        """Which of these jobs may go there today, and why others may not."""
        if self._allowance is None or not wanted:
            return [True] * len(wanted), ""
        return self._allowance.grant(key, [self._price(name, spec) for name, spec in wanted])

    def settle(self, key: str, taken: Iterable[Priced], of: Iterable[Priced] | None = None) -> None:
        """Of what was granted under the key, all or these, this was taken."""
        if self._allowance is not None:
            self._allowance.settle(key, self._spent(taken), None if of is None else self._spent(of))

    def tell(self) -> None:
        """Say what goes where, and what does not."""
        group = self.overflow.group
        for (name, why), count in self._went.items():
            jobs = "1 job goes" if count == 1 else f"{count} jobs go"
            self._fleet.notice(name, f"{jobs} to {name}: {group} {why} (overflow)")
        for why, count in self._stayed.items():
            stay = "1 job does" if count == 1 else f"{count} jobs do"
            self._fleet.notice(group, f"{stay} not go to {', '.join(self.overflow.names)}: {why}")
        self._went.clear()
        self._stayed.clear()

    def _spent(self, jobs: Iterable[Priced]) -> Spent:
        prices = [self._price(name, spec) or 0.0 for name, specs in jobs for spec in specs]
        return Spent(len(prices), sum(prices))

    def _price(self, name: str, spec: Spec) -> float | None:
        return price(spec, self._fleet.managers[name].cost)


class Sharing:
    """Deals out the jobs of one command."""

    def __init__(self, fitting: Fitting, spill: Spill | None = None) -> None:
        self._fitting = fitting
        self.spill = spill

    def settle(self, entry: Plan) -> None:
        """What was planned in this entry is in other hands, or will be: by it, the rest of what may go is counted."""
        if self.spill is not None:
            shares = [*(share for share, _ in entry.taken), *entry.pending.values()] if entry.is_planned else []
            gone = [one for one in shares if not one.again and one.target in self.spill.overflow.names]
            self.spill.settle(self.spill.key, [(one.target, entry.jobs(one)) for one in gone])

    def tell(self) -> None:
        """Say what has gone, or goes, to the overflow since this was said last."""
        if self.spill is not None:
            self.spill.tell()

    def leave_out(self, names: frozenset[str]) -> None:
        """These get nothing more that overflows."""
        if self.spill is not None and names:
            self.spill.leave_out(names)

    @property
    def spare(self) -> Sequence[Report]:
        """How those are who get what overflows."""
        return self.spill.reports if self.spill is not None else ()

    def shares(
        self, reports: Sequence[Report], specs: Sequence[Spec], if_free: bool, out: frozenset[str] = frozenset()
    ) -> list[Found]:
        """Which of these jobs each gets: in runs of jobs that need the same. Full when they are for free slots and
        there are fewer; TooLarge when nobody could hold one, and Refused when that is known of everybody's kind.
        `out`: who would not have them."""
        found: list[Found] = []
        at = 0
        for (needs, unfit), run in groupby(specs, key=lambda spec: (spec.needs, self._fitting.passed_over(spec))):
            jobs = list(run)
            fit = [one for one in reports if one.name not in unfit]
            homes = self._homes(fit, jobs, needs, if_free, unfit | out)
            reports = placement.after(reports, list(Counter(homes).items()), needs)
            for name, those in groupby(homes):
                count = len(list(those))
                found.append(Found(at, at + count, name))
                at += count
        return found

    def _homes(
        self, reports: Sequence[Report], jobs: Sequence[Spec], needs: Needs, if_free: bool, out: frozenset[str]
    ) -> Sequence[str]:
        """Where each job goes. The last ones overflow."""
        waiting = placement.waiting(reports, len(jobs), needs) if self.spill is not None else 0
        spilled: Sequence[str] = []
        if self.spill is not None and waiting:
            why = placement.why_waiting(reports, needs)
            spilled = self.spill.homes(jobs[len(jobs) - waiting :], needs, out, if_free, why)
        wanted = len(jobs) - sum(map(bool, spilled))
        free = sum(placement.places(one, needs, wanted) for one in placement.able_ones(reports, needs))
        if if_free and free < wanted:
            raise Full(f"{free} free slots for {wanted} jobs" if free else "no free slot anywhere")
        own = iter(_names(placement.choose(reports, wanted, _random_order, needs)))
        homes = [*spilled]
        homes[:0] = [""] * (len(jobs) - waiting)
        try:
            return [home or next(own) for home in homes]
        except StopIteration:
            raise self._nobody(reports, jobs[0]) from None

    def _nobody(self, reports: Sequence[Report], job: Spec) -> SjsError:
        if self.spill is not None and self.spill.refusal:
            return Full(self.spill.refusal)
        if not reports and self._fitting.unfit(job):
            return self._fitting.nobody(job)
        if not reports:
            return Unreachable("no manager can take jobs", "see `submit all status`")
        return nobody_holds()


def nobody_holds() -> TooLarge:
    """The error for a job that is too large for everybody."""
    return TooLarge("no target has what the job needs", "ask for less, or `submit all status` for what there is")


def sharing(fleet: Fleet, key: str, is_rehearsed: bool = False) -> Sharing:
    """What deals out the jobs of a command with this key."""
    spill = None if fleet.overflow is None else Spill(fleet, fleet.overflow, key, is_rehearsed)
    return Sharing(fleet.fitting, spill)


def _names(shares: Sequence[tuple[str, int]]) -> Iterator[str]:
    for name, count in shares:
        for _ in range(count):
            yield name


def _random_order(count: int) -> Sequence[int]:
    import random

    return random.sample(range(count), count)
