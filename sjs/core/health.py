"""Whether a machine fails jobs that others would not: then `any` passes it over, and what waits there may move.

A broken machine fails its jobs at once, so it is always free, and eats all that there is to do. But who fails at once
may be a job that fails everywhere. So only ends that can be a machine's fault count, of several commands, and what
others have seen decides: where all fail, it is the jobs.
"""

from __future__ import annotations

from collections import Counter
from typing import List, NamedTuple, Optional, Sequence

from sjs.core.job import End, Health, Report
from sjs.values import replace

LAST = 10
"""Ends that are looked at, …"""

LEAST = 5
"""… and how many it takes to say anything, …"""

COMMANDS = 3
"""… the failed ones being of at least so many commands."""

QUICK = 5.0
"""Seconds within which a job fails at once."""

OF_MACHINES = ("could not be started", "exit 126", "exit 127", "signal 4", "signal 7")
"""Ends that are more often a machine's fault than a job's: a program or a library is not there, or is for another
machine; a file of it cannot be read (SIGILL and SIGBUS)."""


class Ending(NamedTuple):
    """An end that says something of its machine: `fault` is "" for a good one, `submitted` when its command came."""

    fault: str
    submitted: float


def fault_of(end: End, seconds: Optional[float], dealt: bool) -> Optional[str]:
    """What an end says of its machine: "" that it runs jobs, else what was wrong at once; None says nothing.

    `seconds`: how long it took; `dealt`: `any` chose this machine, so that others get such jobs, too. Of a job that
    somebody sent there by name, a failure of its own kind says nothing: he may be looking for a fault in it.
    """
    if end.reason == "spawn-error":
        return OF_MACHINES[0]
    if end.reason not in ("exit", "signal"):
        return None
    if end.exit == 0 or (seconds or 0.0) > QUICK:
        return ""
    found = f"exit {end.exit}" if end.signal is None else f"signal {end.signal}"
    return found if dealt or found in OF_MACHINES else None


def health(endings: Sequence[Ending]) -> Health:
    """What the last ends come to."""
    faults = [one for one in endings if one.fault]
    kinds = Counter(one.fault for one in faults)
    return Health(
        ends=len(endings),
        faults=len(faults),
        of_machine=sum(count for kind, count in kinds.items() if kind in OF_MACHINES),
        commands=len({one.submitted for one in faults}),
        why=max(kinds, key=lambda kind: kinds[kind], default=""),
    )


def is_suspicious(seen: Health) -> bool:
    """Whether nearly all fail at once, of several commands: a machine's fault, or that of all these commands."""
    return seen.ends >= LEAST and seen.commands >= COMMANDS and _nearly_all(seen.faults, seen)


def told(seen: Health) -> str:
    """In words."""
    return f"{seen.faults} of its last {seen.ends} jobs failed at once ({seen.why})"


def judged(reports: Sequence[Report]) -> List[Report]:
    """The reports, in which those are `sick` that fail what others do not.

    Somebody else who does well is proof. Without any, only ends count that are a machine's, and of one machine alone:
    where several fail, and nobody does well, it is the jobs.
    """
    suspects = [one.name for one in reports if is_suspicious(one.health)]
    is_proven = any(one.health.ends >= LEAST and 2 * one.health.faults <= one.health.ends for one in reports)
    found = []
    for one in reports:
        is_sick = one.name in suspects and (
            is_proven or (len(suspects) == 1 and _nearly_all(one.health.of_machine, one.health))
        )
        found.append(replace(one, sick=told(one.health)) if is_sick else one)
    return found


def _nearly_all(count: int, seen: Health) -> bool:
    return 5 * count >= 4 * seen.ends
