"""What goes from a group of targets to those beside it, because it would have to wait there, and how much of that in a
day.

What a job costs is the most that it may cost: what an hour there costs, for as long as its time limit, as often as it
may be tried. Two other ways were looked at. A price for each job says nothing of one that takes a day. What jobs took
is known only after they ran, so it could not keep anybody from handing in too many.
"""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

from sjs.core.job import Spec
from sjs.values import dataclass, field

HOUR = 3600.0
SLIP = 1e-9
"""By so much sums of numbers that are no whole ones may be off."""


class Limits(NamedTuple):
    """For one day; None is no limit."""

    jobs: Optional[int] = None
    cost: Optional[float] = None


class Spent(NamedTuple):
    """Of one day."""

    jobs: int = 0
    cost: float = 0.0

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(self.jobs + other.jobs, self.cost + other.cost)

    def less(self, other: Spent) -> Spent:
        """What is left without that."""
        return Spent(self.jobs - other.jobs, self.cost - other.cost)


@dataclass(frozen=True)
class Overflow:
    """Where jobs of a group go that would have to wait in it."""

    group: str
    names: Tuple[str, ...]
    limits: Limits = field(default=Limits())


def price(spec: Spec, rate: float) -> Optional[float]:
    """The most that a job may cost where an hour of one costs `rate`; None if nobody knows."""
    if not rate:
        return 0.0
    if spec.timeout is None:
        return None
    return rate * spec.timeout / HOUR * (1 + spec.retry.count)


def granted(prices: Sequence[Optional[float]], spent: Spent, limits: Limits) -> Tuple[List[bool], Spent]:
    """Which of these jobs may go, one after the other, and what that comes to. One of which nobody knows what it may
    cost only goes where the cost has no limit."""
    found: List[bool] = []
    new = Spent()
    for cost in prices:
        after = spent.plus(new).plus(Spent(1, cost or 0.0))
        may_go = limits.jobs is None or after.jobs <= limits.jobs
        if limits.cost is not None:
            may_go = may_go and cost is not None and after.cost <= limits.cost + SLIP
        found.append(may_go)
        if may_go:
            new = new.plus(Spent(1, cost or 0.0))
    return found, new


def why_not(prices: Sequence[Optional[float]], spent: Spent, limits: Limits) -> str:
    """Why jobs with these prices may not go, once so much was spent."""
    if limits.jobs is not None and spent.jobs >= limits.jobs:
        return f"{spent.jobs} of {limits.jobs} jobs of today have gone"
    if None in prices:
        return "nobody knows what a job without a time limit will cost (--timeout says that)"
    return f"{spent.cost:g} of {limits.cost:g} may have been spent today"
