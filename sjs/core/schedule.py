"""Which job starts next on this machine. (Which machine gets a job is `placement`, on the client's side.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence, Tuple, Union

from sjs.core.job import REQUEUE, Job, Spec

MAX_ATTEMPTS = 5
"""Attempts of a job that is queued again when one is lost."""

MAX_SETBACKS = 5
"""Managers that may end over the start of a job before it is set aside."""


@dataclass(frozen=True)
class Running:
    """A job that holds a slot. `cancel_wanted`: somebody asked for its end; `cancel_told`: the keeper knows."""

    id: int
    slot: int
    cancel_wanted: bool = False
    cancel_told: bool = False


@dataclass(frozen=True)
class Snapshot:
    """The queue at one moment. `head` holds the first queued jobs, at least as many as there are free slots."""

    max_running: int
    running: Sequence[Running]
    head: Sequence[Job]
    stopping: bool = False


@dataclass(frozen=True)
class Start:
    """Start this job in this slot."""

    job: Job
    slot: int


@dataclass(frozen=True)
class Stop:
    """End this job and its whole tree."""

    job_id: int


Action = Union[Start, Stop]


def plan(snapshot: Snapshot) -> Tuple[Action, ...]:
    """What to do now, in this order: end what is not wanted any more, then fill free slots in order of the queue."""
    actions: List[Action] = [Stop(one.id) for one in snapshot.running if one.cancel_wanted and not one.cancel_told]
    if not snapshot.stopping:
        slots = free_slots(snapshot.max_running, [one.slot for one in snapshot.running])
        actions += [Start(job, slot) for job, slot in zip(snapshot.head, slots)]
    return tuple(actions)


def is_tried_again(spec: Spec, attempt: int) -> bool:
    """Whether a job goes back into the queue after this attempt of it was lost."""
    return spec.on_lost == REQUEUE and attempt < MAX_ATTEMPTS


def free_slots(max_running: int, taken: Sequence[int]) -> List[int]:
    """The slots that may be given now, lowest first. Lowering the maximum frees nobody's slot and gives none."""
    room = max_running - len(taken)
    if room <= 0:
        return []
    used = set(taken)
    # Slots above the maximum may be in use after it was lowered and raised; `room` counts those too.
    return [slot for slot in range(max_running) if slot not in used][:room]
