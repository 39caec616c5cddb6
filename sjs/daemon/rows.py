"""In the manager: what a row of the queue says, and that it says nothing that can be understood."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple

from sjs import wire
from sjs.core.job import End, Job, Spec
from sjs.errors import BadRequest

COLUMNS = "id, state, spec, submitted, attempt, started, ended, pid, reason, exit, signal, detail"
LIVE_COLUMNS = "id, state, attempt, slot, grace"

UNREADABLE = Spec(command="")
"""Stands for what a job was to run, where nobody knows any more. Its job's end says why."""


class LiveRow(NamedTuple):
    """What a manager must know of a job that had a slot when its predecessor ended."""

    id: int
    state: str
    attempt: int
    slot: int
    grace: Optional[float]


class EndedRow(NamedTuple):
    """When a job ended, None when it has not, and which attempt was its last."""

    at: Optional[float]
    attempt: int


def text(data: bytes) -> str:
    """What stands in a column, whatever a disk has made of it."""
    return data.decode("utf-8", "backslashreplace")


def job(row: Tuple[Any, ...]) -> Job:
    """The job of a row. One that cannot be read is a job, too: of `UNREADABLE`."""
    id_, state, spec, submitted, attempt, started, ended, pid, reason, exit_, signal, detail = row
    try:
        return Job(
            id=id_,
            spec=wire.spec_from_text(spec),
            state=state,
            submitted=float(submitted),
            attempt=int(attempt),
            started=None if started is None else float(started),
            ended=None if ended is None else float(ended),
            pid=None if pid is None else int(pid),
            end=End(reason, exit_, signal, detail or "") if reason else None,
        )
    except (BadRequest, ValueError) as error:
        why = End("spawn-error", detail=f"its record cannot be read: {error}")
        return Job(id_, UNREADABLE, str(state), 0.0, end=why)


def live(row: Tuple[Any, ...]) -> LiveRow:
    """A row of a job that holds a slot; of what is no number nothing is believed."""
    id_, state, attempt, slot, grace = row
    return LiveRow(
        id_,
        state,
        attempt if isinstance(attempt, int) else 0,
        slot if isinstance(slot, int) else -1,
        grace if isinstance(grace, float) else None,
    )
