"""The jobs of a sweep on one target as rows of a table: page by page, two questions for each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from sjs.answers import Filter
from sjs.core.job import Job, Task
from sjs.core.lifecycle import FINAL, LIVE, MOVED, STATES, SUCCEEDED
from sjs.core.metrics import Measured, Number
from sjs.errors import Refused, UnknownRequest
from sjs.protocols import Target
from sjs.wire import MAX_PAGE

HERE = tuple(state for state in STATES if state != MOVED)
"""States of jobs that are where their records are."""

ALL = -1


class Row(NamedTuple):
    """One job of a sweep. `setting` tells what it tries; `seconds`: for how long it ran, or has run so far."""

    target: str
    job: int
    number: int
    setting: int
    state: str
    submitted: float
    seconds: float | None
    values: Mapping[str, str]
    metrics: Mapping[str, Number]

    @property
    def may_win(self) -> bool:
        """Whether its numbers are a result: of one that succeeded, or still runs."""
        return self.state == SUCCEEDED or self.state in LIVE

    @property
    def standing(self) -> tuple[int, float, str, int]:
        """Of several jobs that try the same, the least one stands for it: what succeeded, or may yet, or came last."""
        rank = 0 if self.state == SUCCEEDED else 1 if self.state in LIVE else 2 if self.state not in FINAL else 3
        return rank, -self.submitted, self.target, self.job


class Page(NamedTuple):
    """Some rows, and why numbers are lacking that may be there."""

    rows: Sequence[Row]
    troubles: Sequence[str] = ()


def pages(target: Target, sweep: str, states: Sequence[str] = (), pattern: str | None = None) -> Iterator[Page]:
    """All jobs of the sweep that are there, or those in these states."""
    jobs = target.list(states=states or HERE, only=Filter(sweep=sweep))
    while part := list(islice(jobs, MAX_PAGE)):
        known = [(job, job.spec.task) for job in part if job.spec.task is not None]  # older managers list others, too
        found = measured(target, [(job.id, job.attempt) for job, _ in known if job.attempt], pattern)
        now = time.time()
        rows = [row(target.name, job, task, found.values.get(job.id, {}), now) for job, task in known]
        yield Page(rows, [in_words(*trouble) for trouble in found.troubles])


def row(target: str, job: Job, task: Task, metrics: Mapping[str, Number], now: float) -> Row:
    """A job and what it has printed."""
    seconds = None if job.started is None else max(0.0, (now if job.ended is None else job.ended) - job.started)
    setting = int(task.setting, 16)
    values = dict(task.values)
    return Row(target, job.id, task.number, setting, job.state, job.submitted, seconds, values, metrics)


def measured(target: Target, attempts: Sequence[tuple[int, int]], pattern: str | None = None) -> Measured:
    """What these attempts (jobs, and which ones of theirs) have printed. A trouble of job ALL is one of all."""
    if not attempts:
        return Measured({})
    try:
        return _results(target, attempts, pattern)
    except UnknownRequest as error:  # an older machine, or a key that may only look at the queue
        return Measured({}, [(ALL, f"nothing of what its jobs have printed: {error}")])


def in_words(job: int, why: str) -> str:
    """A trouble, of one or of all."""
    return why if job == ALL else f"job {job}: {why}"


def _results(target: Target, attempts: Sequence[tuple[int, int]], pattern: str | None) -> Measured:
    """Read where they were printed, if there is a machine that can be asked to."""
    try:
        machine = target.machine
    except Refused:
        from sjs.results import reading

        return reading.measured(target, [job for job, _ in attempts], pattern)
    return machine.results(attempts, pattern)
