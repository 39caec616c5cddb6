"""In the manager: a job that holds a slot, and what is wanted of it that its keeper may not have heard yet."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from sjs.core.job import GRACE, End, Job, Spec
from sjs.core.lifecycle import CANCELLED
from sjs.core.needs import Grant
from sjs.core.schedule import Running
from sjs.daemon.queue.rows import LiveRow, grant_from_text


class Live:
    """A job that holds a slot."""

    def __init__(
        self,
        job_id: int,
        state: str,
        attempt: int,
        slot: int,
        spec: Spec,
        gpus: Grant,
        retried: int,
        submitted: float = 0.0,
        via: str = "",
    ) -> None:
        self.id = job_id
        self.state = state
        self.attempt = attempt
        self.slot = slot
        self.spec = spec
        self.gpus = gpus
        self.retried = retried
        self.submitted = submitted
        self.via = via
        self.grace: Optional[float] = None  # set when its end was asked for
        self.told = False
        self.note = ""  # what was said then
        self.paused: Optional[bool] = None  # set when somebody wanted it to stand still, or to go on
        self.pause_told = False
        self.place: Dict[str, str] = {}  # where others run it, …
        self.said: Tuple[str, str, str] = (
            "",
            "",
            "",
        )  # … and what they say of it: its state, why it waits, when it starts

    @classmethod
    def of(cls, job: Job, state: str, slot: int, gpus: Grant = ()) -> Live:
        """A job of the queue, in its next attempt."""
        return cls(job.id, state, job.attempt + 1, slot, job.spec, gpus, job.retried, job.submitted, job.via)

    @property
    def tag(self) -> str:
        """The attempt's name at the keeper."""
        return f"{self.id}.{self.attempt}"

    @property
    def patience(self) -> float:
        """Seconds between TERM and KILL, where nobody says otherwise."""
        return GRACE if self.spec.grace is None else self.spec.grace

    def end(self, told: Mapping[str, Any]) -> End:
        """How it ended, by its keeper's word; if because somebody asked for it, with what was said then."""
        details = (self.note if told["reason"] == CANCELLED else "", told.get("detail"))
        return End(told["reason"], told.get("exit"), told.get("signal"), "; ".join(one for one in details if one))

    def as_running(self) -> Running:
        """What `plan` needs to know."""
        pause = None if self.pause_told else self.paused
        return Running(self.id, self.slot, self.grace is not None, self.told, self.spec.needs, self.gpus, pause)


def from_row(row: LiveRow) -> Live:
    """What an earlier manager left. Whatever was wanted of it, the keeper is told again."""
    gpus = grant_from_text(row.gpus)
    live = Live(row.id, row.state, row.attempt, row.slot, row.spec, gpus, row.retried, row.submitted, row.via)
    live.grace = row.grace
    live.note = row.detail or ""
    live.paused = None if row.paused is None else bool(row.paused)
    return live
