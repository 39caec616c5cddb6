"""Which target gets a job. (Which job starts next on a machine is `schedule`, on the machine's side.)"""

from __future__ import annotations

from functools import cmp_to_key
from typing import Callable, Dict, List, Sequence, Tuple

from sjs.core.job import Report
from sjs.core.needs import Needs, could_hold, room
from sjs.values import replace

PLAIN = Needs()
"""What a job takes that says nothing: a slot."""

ENOUGH = 16
"""Places that are counted, even if fewer are wanted, to tell who has more."""

Order = Callable[[int], Sequence[int]]
"""Gives the indexes 0..n-1 in the order in which ties are to be settled; the caller brings the chance."""


def choose(
    reports: Sequence[Report], wanted: int, tie_order: Order = range, needs: Needs = PLAIN
) -> List[Tuple[str, int]]:
    """Deal `wanted` jobs with the same needs, in order, to targets: (name, how many) runs.

    First to where they can start now, most of them first; then to whoever has the shortest backlog for its slots.
    Targets that could never hold one get none. Those that start nothing at all (drained, or maximum 0), or fail jobs
    that others do not, get jobs only when all are so, and then by backlog.
    """
    able = able_ones(reports, needs)
    if not able or wanted <= 0:
        return []
    able = [able[index] for index in tie_order(len(able))]
    shares = {report.name: 0 for report in able}
    left = wanted
    free = {report.name: places(report, needs, wanted) for report in able}
    for report in sorted(able, key=lambda one: -free[one.name]):
        share = min(left, free[report.name])
        shares[report.name] += share
        left -= share
    for name, share in _by_backlog(able, shares, left):
        shares[name] += share
    return [(report.name, shares[report.name]) for report in able if shares[report.name]]


def able_ones(reports: Sequence[Report], needs: Needs) -> List[Report]:
    """Those to whom such jobs go: nobody's jobs are left without a home because all that could have them had better
    not."""
    fitting = [report for report in reports if can_hold(report, needs)]
    open_ones = [report for report in fitting if report.max_running > 0 and not report.drained]
    return [report for report in open_ones if not report.sick] or open_ones or fitting


def can_hold(report: Report, needs: Needs) -> bool:
    """Whether such a job could ever run there. Who does not say what it has is asked for nothing but slots, unless it
    has no bounds."""
    if report.machine is None:
        return report.boundless or needs == PLAIN
    return could_hold(replace(report.machine, slots=report.machine.slots or needs.slots), needs)


def is_open(report: Report) -> bool:
    """Whether jobs start there, and do well."""
    return report.max_running > 0 and not report.drained and not report.sick


def waiting(reports: Sequence[Report], wanted: int, needs: Needs = PLAIN) -> int:
    """Of so many jobs with the same needs, how many could not start now: all of them, where nobody could hold one."""
    able = [report for report in reports if is_open(report) and can_hold(report, needs)]
    return max(0, wanted - sum(places(report, needs, wanted) for report in able))


def why_waiting(reports: Sequence[Report], needs: Needs = PLAIN) -> str:
    """What keeps them from starting, behind the name of all of these."""
    able = [report for report in reports if can_hold(report, needs)]
    if not reports:
        return "does not answer"
    if not able:
        return "has nobody who could hold them"
    return "is full" if any(map(is_open, able)) else "starts nothing"


def places(report: Report, needs: Needs, wanted: int) -> int:
    """How many such jobs could start there now; exactly, if there are fewer than are wanted."""
    if needs == PLAIN or report.machine is None:
        return report.free
    most = min(report.free, max(wanted, ENOUGH))
    left = room(report.machine, [(report.taken, report.granted)])
    count = 0
    while count < most:
        grant = left.grant(needs)
        if grant is None:
            break
        left.take(needs, grant)
        count += 1
    return count


def after(reports: Sequence[Report], dealt: Sequence[Tuple[str, int]], needs: Needs = PLAIN) -> List[Report]:
    """The reports as they would be once the dealt jobs have arrived: what the next deal starts from."""
    added = dict(dealt)
    return [_with(report, added.get(report.name, 0), needs) for report in reports]


def _with(report: Report, count: int, needs: Needs) -> Report:
    taken, granted = report.taken, dict(report.granted)
    if needs != PLAIN and report.machine is not None:
        for _ in range(min(count, places(report, needs, count))):
            grant = room(report.machine, [(taken, tuple(granted.items()))]).grant(needs) or ()
            taken = _sum(taken, needs)
            granted.update((name, granted.get(name, 0) + share) for name, share in grant)
    return replace(report, queued=report.queued + count, taken=taken, granted=tuple(granted.items()))


def _sum(one: Needs, other: Needs) -> Needs:
    named = dict(one.named)
    for name, count in other.named:
        named[name] = named.get(name, 0) + count
    return Needs(
        slots=one.slots + other.slots,
        cpus=one.cpus + other.cpus,
        mem=one.mem + other.mem,
        named=tuple(sorted(named.items())),
    )


def _by_backlog(able: Sequence[Report], shares: Dict[str, int], left: int) -> List[Tuple[str, int]]:
    """Deal what found no free slot so that the backlog per slot comes out level."""
    if left <= 0:
        return []
    loads = {one.name: one.running + one.queued + shares[one.name] for one in able}
    slots = {one.name: max(1, one.max_running) for one in able}
    load, room = _level(loads, slots, left)
    extra = {name: max(0, load * slots[name] // room - loads[name]) for name in loads}
    rest = left - sum(extra.values())
    while rest:  # fewer than one a target is left by rounding down
        name = min(loads, key=lambda one: _quotient((loads[one] + extra[one] + 1, slots[one])))
        extra[name] += 1
        rest -= 1
    return list(extra.items())


def _level(loads: Dict[str, int], slots: Dict[str, int], left: int) -> Tuple[int, int]:
    """The load per slot to which `left` more jobs fill the emptiest targets, as water fills a basin: (load, slots)."""
    load, room = left, 0
    for name in sorted(loads, key=lambda one: _quotient((loads[one], slots[one]))):
        if room and load * slots[name] <= loads[name] * room:
            break
        load += loads[name]
        room += slots[name]
    return load, room


def _compare(one: Tuple[int, int], other: Tuple[int, int]) -> int:
    return one[0] * other[1] - other[0] * one[1]


_quotient = cmp_to_key(_compare)
"""Orders (dividend, divisor) by what they come to, exactly: quotients of large numbers are rounded into equals."""
