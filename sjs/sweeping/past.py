"""What there is of a sweep already: on the machines, and on the way to them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import uuid4

from sjs.answers import Filter
from sjs.config import state_path
from sjs.core.job import Job
from sjs.core.lifecycle import CANCELLED, STATES, SUCCEEDED, UNENDED
from sjs.core.stopping import BEHIND
from sjs.errors import Conflict, NoQueue, Refused, SjsError
from sjs.outbox import Outbox
from sjs.protocols import Target
from sjs.routing import Fleet
from sjs.values import dataclass, field

T = TypeVar("T")

LOOKS = 3
"""A job that moves from one queue to another between two looks may be seen in neither; then the other has more than it
had. So it is looked again, so often at most."""


def new_key(sweep: str) -> str:
    """A key under which jobs of the sweep are handed in by one command."""
    return f"sweep.{uuid4().hex}.{sweep}"


def _is_of(key: str, sweep: str) -> bool:
    return re.fullmatch(r"sweep\.[0-9a-f]{32}\." + re.escape(sweep), key) is not None


@dataclass(frozen=True)
class Past:
    """`counts`: how many of its jobs are in which state, by target. `present`: how often each setting has succeeded, or
    may yet, or was found to be behind."""

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    present: Counter[str] = field(default_factory=Counter)

    @property
    def all_counts(self) -> Counter[str]:
        """Of all targets together."""
        return sum((Counter(one) for one in self.counts.values()), Counter())


def counted(fleet: Fleet, sweep: str) -> Past:
    """How many jobs of the sweep there are, as far as anybody says."""
    answers = fleet.told(lambda target: target.sweeps(sweep))
    return Past({answer.name: answer.value[0].counts for answer in answers if answer.value})


def looked_up(fleet: Fleet, sweep: str) -> Past:
    """What has been done, and what is being done. Everybody has to say: else something might be done twice."""
    present = _on_the_way(sweep)
    for _ in range(LOOKS):
        found = _everybody(fleet, lambda target: _looked(target, sweep))
        sizes = {name: sum(counts.values()) for name, (counts, _) in found.items()}
        if sizes == _everybody(fleet, lambda target: sum(_counts(target, sweep).values())):
            return Past(
                {name: counts for name, (counts, _) in found.items()},
                sum((settings for _, settings in found.values()), present),
            )
    raise Refused(f"jobs of sweep {sweep} are being moved or handed in", "the same again, once that is done")


def _counts(target: Target, sweep: str) -> Mapping[str, int]:
    found = target.sweeps(sweep)
    return found[0].counts if found else {}


def _looked(target: Target, sweep: str) -> tuple[Mapping[str, int], Counter[str]]:
    counts = _counts(target, sweep)
    present: Counter[str] = Counter()
    if counts:
        for part in target.members(sweep, (SUCCEEDED, *UNENDED)):
            present.update(part.settings)
    if counts.get(CANCELLED):
        cancelled = target.list(states=(CANCELLED,), only=Filter(sweep=sweep))
        present.update(job.spec.task.setting for job in cancelled if job.spec.task is not None and _is_behind(job))
    return counts, present


def _is_behind(job: Job) -> bool:
    """Whether a stop rule has ended it: what it came to is known."""
    return job.end is not None and job.end.detail.startswith(BEHIND)


def _everybody(fleet: Fleet, work: Callable[[Target], T]) -> dict[str, T]:
    """What each says who has a queue."""
    found: dict[str, T] = {}
    for answer in fleet.told(lambda target: (work(target),)):
        if answer.value is not None:
            found[answer.name] = answer.value[0]
        elif answer.error is not None and not isinstance(answer.error, NoQueue):
            raise _unknown(answer.name, answer.error)
    return found


def _unknown(name: str, error: SjsError) -> SjsError:
    message = f"{name} may have jobs of this sweep and does not say: {error.message}"
    return type(error)(message, f"to go on without it: any:'SET,!{name}'")


def _on_the_way(sweep: str) -> Counter[str]:
    """What an earlier command has left in the outbox: that is for those machines, whenever they can be reached."""
    present: Counter[str] = Counter()
    outbox = Outbox(state_path("outbox", os.environ))
    for path in outbox.left():
        entry = outbox.take_over(path)
        if entry is None:
            if _is_of(outbox.key(path), sweep):
                raise Conflict(
                    f"another command is handing in jobs of sweep {sweep}", "the same again, once it is done"
                )
            continue
        with entry:
            if _is_of(entry.head.key, sweep):
                for share in entry.pending.values():
                    present.update(spec.task.setting for spec in entry.jobs(share) if spec.task is not None)
    return present


def describe(counts: Mapping[str, int]) -> str:
    """60 jobs: 37 succeeded, 2 failed, 21 queued."""
    parts = [f"{counts[state]} {state}" for state in STATES if counts.get(state)]
    return f"{sum(counts.values())} jobs: {', '.join(parts)}"
