"""Which target gets a job. (Which job starts next on a machine is `schedule`, on the machine's side.)"""

from __future__ import annotations

import dataclasses
from typing import Callable, List, Sequence, Tuple

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


def _by_backlog(able: Sequence[Report], shares: "dict[str, int]", left: int) -> List[Tuple[str, int]]:
    """Deal what found no free slot so that the backlog per slot comes out level."""
    if left <= 0:
        return []
    loads = {one.name: one.running + one.queued + shares[one.name] for one in able}
    slots = {one.name: max(1, one.max_running) for one in able}
    level = _level(loads, slots, left)
    extra = {name: max(0, int(level * slots[name]) - loads[name]) for name in loads}
    rest = left - sum(extra.values())
    while rest:  # fewer than one a target is left by rounding down
        name = min(loads, key=lambda one: (loads[one] + extra[one] + 1) / slots[one])
        extra[name] += 1
        rest -= 1
    return list(extra.items())


def _level(loads: "dict[str, int]", slots: "dict[str, int]", left: int) -> float:
    """The load per slot to which `left` more jobs fill the emptiest targets, as water fills a basin."""
    filled: List[str] = []
    for name in sorted(loads, key=lambda one: loads[one] / slots[one]):
        if filled:
            level = (sum(loads[one] for one in filled) + left) / sum(slots[one] for one in filled)
            if level <= loads[name] / slots[name]:
                return level
        filled.append(name)
    return (sum(loads[one] for one in filled) + left) / sum(slots[one] for one in filled)
