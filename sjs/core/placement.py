"""Which target gets a job. (Which job starts next on a machine is `schedule`, on the machine's side.)"""

from __future__ import annotations

import dataclasses
from functools import cmp_to_key
from typing import Callable, Dict, List, Sequence, Tuple

from sjs.core.job import Report

Order = Callable[[int], Sequence[int]]
"""Gives the indexes 0..n-1 in the order in which ties are to be settled; the caller brings the chance."""


def choose(reports: Sequence[Report], wanted: int, tie_order: Order = range) -> List[Tuple[str, int]]:
    """Deal `wanted` jobs, in order, to targets: (name, how many) runs.

    First to free slots, most free first; then to whoever has the shortest backlog for its slots. Targets that run
    nothing at all (maximum 0) get jobs only when all are so, and then by backlog.
    """
    able = [report for report in reports if report.max_running > 0] or list(reports)
    if not able or wanted <= 0:
        return []
    able = [able[index] for index in tie_order(len(able))]
    shares = {report.name: 0 for report in able}
    left = wanted
    for report in sorted(able, key=lambda one: -one.free):
        share = min(left, report.free)
        shares[report.name] += share
        left -= share
    for name, share in _by_backlog(able, shares, left):
        shares[name] += share
    return [(report.name, shares[report.name]) for report in able if shares[report.name]]


def after(reports: Sequence[Report], dealt: Sequence[Tuple[str, int]]) -> List[Report]:
    """The reports as they would be once the dealt jobs have arrived: what the next deal starts from."""
    added = dict(dealt)
    return [dataclasses.replace(report, queued=report.queued + added.get(report.name, 0)) for report in reports]


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
