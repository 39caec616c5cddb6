"""Which job starts next on this machine. (Which machine gets a job is `placement`, on the client's side.)

In order of the queue, whoever fits. Who does not fit is overtaken by those behind it that do, so that nothing lies
idle; but only PATIENCE times: from then on, what it needs is kept free for it.
"""

from __future__ import annotations

from itertools import count
from typing import Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from sjs.core.job import Job
from sjs.core.needs import Grant, Machine, Needs, Room, could_hold, room
from sjs.values import dataclass, replace

PATIENCE = 100
"""How many may overtake the first job that does not fit."""


@dataclass(frozen=True)
class Running:
    """A job that holds a slot. `cancel_wanted`: somebody asked for its end; `cancel_told`: the keeper knows.
    `pause`: what the keeper is still to hear, to make it stand still (True) or go on (False)."""

    id: int
    slot: int
    cancel_wanted: bool = False
    cancel_told: bool = False
    needs: Needs = Needs()
    gpus: Grant = ()
    pause: Optional[bool] = None


@dataclass(frozen=True)
class Snapshot:
    """The queue at one moment.

    `head` holds queued jobs in order: of each kind of needs at least as many as there are free slots. `overtaken`: how
    many went before a job of the head because it did not fit.
    """

    machine: Machine
    running: Sequence[Running]
    head: Sequence[Job]
    stopping: bool = False
    overtaken: Optional[Mapping[int, int]] = None
    foreign: Grant = ()

    def room(self) -> Room:
        """What is left beside those who run. (`foreign`: GPUs that processes of others use.)"""
        ours = [(one.needs, one.gpus) for one in self.running]
        return room(self.machine, [*ours, (Needs(slots=0), self.foreign)])


@dataclass(frozen=True)
class Start:
    """Start this job in this slot, with these GPUs."""

    job: Job
    slot: int
    gpus: Grant = ()


@dataclass(frozen=True)
class Stop:
    """End this job and its whole tree."""

    job_id: int


@dataclass(frozen=True)
class Pause:
    """Let this job's whole tree stand still, or go on."""

    job_id: int
    still: bool


@dataclass(frozen=True)
class Overtake:
    """So many went before this job, for which there was no room."""

    job_id: int
    by: int


Action = Union[Start, Stop, Pause, Overtake]


def plan(snapshot: Snapshot) -> Tuple[Action, ...]:
    """What to do now, in this order: end what is not wanted any more, pause and resume, then start what fits."""
    actions: List[Action] = [Stop(one.id) for one in snapshot.running if one.cancel_wanted and not one.cancel_told]
    actions += [Pause(one.id, one.pause) for one in snapshot.running if one.pause is not None]
    if not snapshot.stopping:
        actions += _starts(snapshot)
    return tuple(actions)


def ahead(snapshot: Snapshot, count: int) -> Sequence[Job]:
    """Who may start next without anybody being asked, each in the very place of one that ends: the first `count` of the
    queue, where nobody waits for anything but places, and all places are alike. So GPUs, of which each is another, are
    out; and so is whoever could be started now, or could not even where one has ended, because there are fewer places
    than there were."""
    if not snapshot.running or not snapshot.head or snapshot.stopping:
        return ()
    needs = snapshot.head[0].spec.needs
    alike = [one.needs for one in snapshot.running] + [one.spec.needs for one in snapshot.head]
    if needs.gpus or any(one != needs for one in alike):
        return ()
    after_an_end = replace(snapshot, running=snapshot.running[1:])
    if snapshot.room().grant(needs) is not None or after_an_end.room().grant(needs) is None:
        return ()
    return snapshot.head[:count]


def _starts(snapshot: Snapshot) -> Iterator[Action]:
    left = snapshot.room()
    slots = _free_slots({one.slot for one in snapshot.running})
    no_room_for: Set[Needs] = set()
    blocked: Optional[Job] = None  # the first that does not fit
    before = overtaken = 0
    is_patient = True
    for job in snapshot.head:
        if not left.has_slots:
            break
        needs = job.spec.needs
        grant = None if needs in no_room_for else left.grant(needs)
        if grant is not None:
            left.take(needs, grant)
            yield Start(job, next(slots), grant)
            overtaken += blocked is not None
        else:
            no_room_for.add(needs)
            if blocked is not None or not could_hold(snapshot.machine, needs):
                continue
            blocked = job
            before = (snapshot.overtaken or {}).get(job.id, 0)
        if blocked is not None and is_patient and before + overtaken >= PATIENCE:
            left.set_aside(blocked.spec.needs)
            is_patient = False
    if blocked is not None and overtaken:
        yield Overtake(blocked.id, overtaken)


def _free_slots(taken: Set[int]) -> Iterator[int]:
    """The numbers of free slots, lowest first."""
    return (number for number in count() if number not in taken)
