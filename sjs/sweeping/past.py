"""What there is of a sweep already: on the machines, and on the way to them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sjs.config import state_path
from sjs.core.lifecycle import STATES, SUCCEEDED, UNENDED
from sjs.errors import NoQueue, SjsError
from sjs.outbox import Outbox
from sjs.protocols import Target
from sjs.routing import Fleet

PREFIX = "sweep."
"""With this, and the sweep's name, begin the keys under which its jobs are handed in."""


@dataclass(frozen=True)
class Past:
    """`counts`: how many of its jobs are in which state, by target. `present`: how often each setting has succeeded, or
    may yet."""

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

    def work(target: Target) -> tuple[Mapping[str, int], Counter[str]]:
        found = target.sweeps(sweep)
        present: Counter[str] = Counter()
        if found:
            for part in target.members(sweep, (SUCCEEDED, *UNENDED)):
                present.update(part.settings)
        return found[0].counts if found else {}, present

    counts: dict[str, Mapping[str, int]] = {}
    present = _on_the_way(sweep)
    for answer in fleet.told(work):
        if answer.value is not None:
            counts[answer.name] = answer.value[0]
            present += answer.value[1]
        elif answer.error is not None and not isinstance(answer.error, NoQueue):
            raise _unknown(answer.name, answer.error)
    return Past(counts, present)


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
            continue
        with entry:
            if entry.head.key.startswith(f"{PREFIX}{sweep}."):
                for share in entry.pending.values():
                    present.update(spec.task.setting for spec in entry.jobs(share) if spec.task is not None)
    return present


def describe(counts: Mapping[str, int]) -> str:
    """60 jobs: 37 succeeded, 2 failed, 21 queued."""
    parts = [f"{counts[state]} {state}" for state in STATES if counts.get(state)]
    return f"{sum(counts.values())} jobs: {', '.join(parts)}"
