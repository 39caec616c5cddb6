"""What became of jobs that were to go elsewhere, in words."""

from __future__ import annotations

from sjs.cli import ids
from sjs.moving import Carried


def fate(carried: Carried) -> str:
    """What became of jobs that were to go to another target."""
    jobs = ids.text((one, one) for one in carried.jobs)
    why = f" ({carried.error.message})" if carried.error is not None else ""
    if carried.is_open:
        return f"{jobs} may be on the way to {carried.target}{why}; the next command sees to them"
    if carried.first is None and carried.error is None:
        return f"{jobs} {'waits' if len(carried.jobs) == 1 else 'wait'} here again"
    if carried.first is None:
        return f"{jobs} stay: {carried.target} will not have them{why}"
    there = ids.text([(carried.first, carried.first + len(carried.jobs) - 1)])
    return f"{len(carried.jobs)} moved to {carried.target} ({jobs}, there {there})"
