"""In the manager: what a row of the queue says, and that it says nothing that can be understood."""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import End, Job, Spec
from sjs.core.needs import Grant
from sjs.errors import BadRequest

COLUMNS = (
    "id, state, spec, submitted, attempt, started, ended, pid, reason, exit, signal, detail, usage, gpus, due, paused,"
    " retried, submitter, via, place"
)

ATTEMPT = "started, ended, pid, reason, exit, signal, detail, usage, gpus, place"
"""What is told of one attempt."""

QUEUED = "id, spec, submitted, attempt, retried, via"
"""What there is to know of a job that waits for its start."""

UNREADABLE = Spec(command="")
"""Stands for what a job was to run, where nobody knows any more. Its job's end says why."""


class NewRow(NamedTuple):
    """A job that was just submitted."""

    id: int
    state: str
    spec: str
    submitted: float
    shape: int
    priority: int
    due: Optional[float]
    blockers: int
    name: Optional[str]
    snapshot: Optional[str] = None
    reason: Optional[str] = None  # with `detail` and `ended`: of one that can never start
    detail: Optional[str] = None
    ended: Optional[float] = None
    submitter: Optional[str] = None
    via: Optional[str] = None
    sweep: Optional[str] = None
    setting: Optional[str] = None


class Ran(NamedTuple):
    """How an attempt began."""

    pid: int
    at: float
    slot: int


class PendingRow(NamedTuple):
    """What keeps a job from being queued."""

    state: str
    blockers: int
    due: Optional[float]
    shape: int
    priority: int


class LiveRow(NamedTuple):
    """What a manager must know of a job that had a slot when its predecessor ended."""

    id: int
    state: str
    attempt: int
    slot: int
    grace: Optional[float]
    spec: Spec
    gpus: Optional[str]
    paused: Optional[int]  # None: nobody ever paused this attempt; 0: it goes on again
    retried: int
    detail: Optional[str]  # what was said when its end was asked for
    submitted: float
    via: str


class MoveRow(NamedTuple):
    """Jobs on their way, `size` when they left. `first`: the first one's id over there; -1: they stayed; None: who
    knows."""

    key: str
    target: str
    at: float
    size: int
    first: Optional[int]


class EndedRow(NamedTuple):
    """When a job ended, None when it has not, which attempt was its last, and with which snapshot."""

    at: Optional[float]
    attempt: int
    snapshot: Optional[str]


class SweepRow(NamedTuple):
    """A sweep: how many of its jobs are in which state, and when those that are known best came: the one whose record
    is the oldest, and the newest."""

    name: str
    counts: Dict[str, int]
    began: Optional[float]
    grew: Optional[float]


class Filter(NamedTuple):
    """Which jobs are wanted: those whose name fits the pattern, with this tag, to which something has happened since,
    of this sweep."""

    name: Optional[str] = None
    tag: Optional[Tuple[str, str]] = None
    since: Optional[float] = None
    sweep: Optional[str] = None

    def sql(self) -> Tuple[str, Tuple[Any, ...]]:
        """The conditions, to be added to others, and their values."""
        where = ""
        values: List[Any] = []
        if self.name is not None:
            where += " AND name = ?" if self.is_plain else " AND name GLOB ?"
            values.append(self.name)
        if self.tag is not None:
            where += " AND instr(spec, ?)"  # not every SQLite knows JSON; `fits` tells it from a variable's text
            values.append(":".join(map(to_json, self.tag)))
        if self.since is not None:
            where += " AND coalesce(ended, started, submitted) >= ?"
            values.append(self.since)
        if self.sweep is not None:
            where += " AND sweep = ?"
            values.append(self.sweep)
        return where, tuple(values)

    @property
    def is_plain(self) -> bool:
        """Whether the name stands for itself."""
        return self.name is not None and not any(sign in self.name for sign in "*?[")

    def is_indexed(self, states: Sequence[str]) -> bool:
        """Whether an index leads to just these, in the order of their ids: else others have to be looked at, too."""
        if self.tag is not None or self.since is not None:
            return False
        return self.name is None or (self.is_plain and self.sweep is None and not states)

    def fits(self, job: Job) -> bool:
        """What the conditions leave open."""
        return self.tag is None or self.tag in job.spec.tags


EVERY_JOB = Filter()


def text(data: bytes) -> str:
    """What stands in a column, whatever a disk has made of it."""
    return data.decode("utf-8", "backslashreplace")


def job(row: Tuple[Any, ...]) -> Job:
    """The job of a row. One that cannot be read is a job, too: of `UNREADABLE`."""
    id_, state, spec, submitted, attempt, started, ended, pid, reason, exit_, signal, detail, *more = row
    usage, gpus, due, paused, retried, submitter, via, place = more
    try:
        return Job(
            id=id_,
            spec=spec_json.from_text(spec),
            state=state,
            submitted=float(submitted),
            attempt=int(attempt),
            started=None if started is None else float(started),
            ended=None if ended is None else float(ended),
            pid=None if pid is None else int(pid),
            end=End(reason, exit_, signal, detail or "") if reason else None,
            usage=json.loads(usage) if usage else None,
            gpus=grant_from_text(gpus),
            due=None if due is None else float(due),
            paused=paused == 1,
            retried=int(retried),
            submitter=submitter or "",
            via=via or "",
            place=place_from_text(place),
        )
    except (BadRequest, ValueError) as error:
        return Job(id_, UNREADABLE, str(state), 0.0, end=_unreadable(error))


def _unreadable(error: Exception) -> End:
    return End("spawn-error", detail=f"its record cannot be read: {error}")


def queued(row: Tuple[Any, ...]) -> Job:
    """A job at the front of the queue."""
    id_, spec, submitted, attempt, retried, via = row
    try:
        known = spec_json.from_text(spec)
        return Job(id_, known, "queued", float(submitted), attempt=int(attempt), retried=int(retried), via=via or "")
    except (BadRequest, ValueError) as error:
        return Job(id_, UNREADABLE, "queued", 0.0, end=_unreadable(error))


def live(row: Tuple[Any, ...]) -> LiveRow:
    """A row of a job that holds a slot; of what is no number nothing is believed."""
    id_, state, attempt, slot, grace, spec, gpus, paused, retried, detail, submitted, via = row
    try:
        known = spec_json.from_text(spec)
    except BadRequest:
        known = UNREADABLE  # it runs, and its end will be known
    return LiveRow(
        id_,
        state,
        attempt if isinstance(attempt, int) else 0,
        slot if isinstance(slot, int) else -1,
        grace if isinstance(grace, float) else None,
        known,
        gpus,
        paused if paused in (0, 1) else None,
        retried if isinstance(retried, int) else 0,
        detail,
        submitted if isinstance(submitted, float) else 0.0,
        via or "",
    )


def place_from_text(text: Optional[str]) -> Tuple[Tuple[str, str], ...]:
    """Where others run a job, as a column holds it."""
    return tuple((str(name), str(value)) for name, value in json.loads(text).items()) if text else ()


def grant_to_text(grant: Grant) -> Optional[str]:
    """GPUs as a column holds them."""
    return json.dumps(grant) if grant else None


def grant_from_text(text: Optional[str]) -> Grant:
    return tuple((str(name), int(share)) for name, share in json.loads(text)) if text else ()
