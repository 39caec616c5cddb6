"""Jobs of sweeps that were looked at lately, in memory: what each tries, how it stands, what it has printed. Who
watches a sweep asks again and again, and few of its jobs have changed. What is here is true, for nobody else
writes."""

from __future__ import annotations

import json
import threading
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlalchemy import Row as Record

from sjs.core.job import Task
from sjs.core.lifecycle import FINAL, QUEUED, RUNNING
from sjs.core.metrics import from_wire
from sjs.gateway.records import sweeps
from sjs.gateway.records.failing import asking
from sjs.gateway.records.sweeps import Span
from sjs.results.rows import Row

MOST = 64 << 20
"""Bytes of memory that they may take, about. A sweep that takes more is read anew for each who asks."""

EACH, EACH_NUMBER = 1_500, 100
"""Bytes that a job takes besides what is said of it, and that a number does."""

TOGETHER = 500
"""Of those that are read, so many are parsed at once."""

FEW = 500
"""Jobs that are read by their numbers; where more have changed, all of the sweep are."""


class Trial(NamedTuple):
    """A job of a sweep. `row`: as a table has it; `number`: which one of its target's own it is; `begun`: when, if it
    has; `is_read`: what it has printed is known."""

    row: Row
    number: int | None
    attempt: int
    begun: float | None
    is_read: bool

    @property
    def is_to_be_read(self) -> bool:
        """What it has printed, which nobody knows, or which may be more by now."""
        may_have = self.number is not None and self.attempt > 0
        return not self.is_read and may_have and (self.row.state == RUNNING or self.row.state in FINAL)


class Tried:
    """The jobs of a sweep, in the order of their ids: another object whenever one of them has changed. `unread`: those
    of them that are to be read."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.trials = trials
        self.unread = [one for one in trials if one.is_to_be_read]


class _Held:
    """What is in memory of a sweep; `stale`: of which jobs it is true no more."""

    def __init__(self) -> None:
        self.reading = threading.Lock()
        self.trials: Tried | None = None
        self.stale: set[int] = set()
        self.size = 0


class Trials:
    """For any number of threads."""

    def __init__(self, engine: Engine, most: int = MOST) -> None:
        self._engine = engine
        self._most = most
        self._held: OrderedDict[Span, _Held] = OrderedDict()
        self._spans: list[Span] = []
        self._size = 0
        self._lock = threading.Lock()

    def here(self, span: Span) -> Tried | None:
        """The jobs of a sweep, if they are in memory as they are."""
        with self._lock:
            held = self._held.get(span)
            if held is None or held.stale:
                return None
            self._held.move_to_end(span)
            return held.trials

    def get(self, span: Span) -> Tried:
        """The same, from the database as far as it must be. One thread at a time reads a sweep."""
        while True:
            held = self._place(span)
            with held.reading:
                found = self._read(span, held)
            if found is not None:
                return found

    def forget(self, numbers: Iterable[int]) -> None:
        """These jobs have changed."""
        with self._lock:
            if not self._spans:
                return
            for number in numbers:
                at = bisect_right(self._spans, (number, number)) - 1
                for span in self._spans[max(0, at) : at + 2]:
                    if span[0] <= number <= span[1]:
                        self._held[span].stale.add(number)

    def _place(self, span: Span) -> _Held:
        with self._lock:
            held = self._held.get(span)
            if held is None:
                held = self._held[span] = _Held()
                insort(self._spans, span)
            self._held.move_to_end(span)
            return held

    def _read(self, span: Span, held: _Held) -> Tried | None:
        """None where it has lost its place meanwhile, so that it hears of nothing any more."""
        with self._lock:
            if self._held.get(span) is not held:
                return None
            stale, held.stale = held.stale, set()  # who changes from now on is stale again
            known = held.trials
        if known is not None and not stale:
            return known
        try:
            found = self._asked(span, known, stale)
        except BaseException:
            with self._lock:
                held.stale |= stale
            raise
        self._keep(held, found)
        return found

    def _asked(self, span: Span, known: Tried | None, stale: set[int]) -> Tried:
        with asking(self._engine) as connection:
            if known is None or len(stale) > FEW:
                return Tried(list(trials(sweeps.tried(connection, span))))
            fresh = {one.row.job: one for one in trials(sweeps.tried(connection, span, sorted(stale)))}
        of_all = (fresh.get(one.row.job) if one.row.job in stale else one for one in known.trials)
        return Tried([one for one in of_all if one is not None])

    def _keep(self, held: _Held, found: Tried) -> None:
        size = sum(map(_size, found.trials))
        with self._lock:
            self._size += size - held.size
            held.trials, held.size = found, size
            while self._size > self._most:
                span, gone = self._held.popitem(last=False)
                self._spans.remove(span)
                self._size -= gone.size


def trials(records: Sequence[Record[Any]]) -> Iterator[Trial]:
    """What these records say. Many are parsed at once, which is quicker, and has them share the names of what they
    try."""
    for start in range(0, len(records), TOGETHER):
        some = records[start : start + TOGETHER]
        bodies = json.loads(f"[{','.join(one.body for one in some)}]")
        found = json.loads(f"[{','.join(one.found or 'null' for one in some)}]")
        for record, body, measured in zip(some, bodies, found, strict=True):
            yield _trial(record, body["task"], measured)


def _trial(record: Record[Any], said: Any, measured: Any) -> Trial:
    values = said["values"]
    setting = int(Task(said["sweep"], said["number"], tuple(values.items())).setting, 16)
    begun = None if record.state == QUEUED else record.begun
    seconds = None if begun is None or record.ended is None else max(0.0, record.ended - begun)
    metrics = {name: from_wire(value) for name, value in (measured or {}).items()}
    place = (record.target or "", record.id, said["number"], setting)
    row = Row(*place, record.state, record.created, seconds, values, metrics)
    return Trial(row, record.number, record.attempt, begun, measured is not None)


def _size(one: Trial) -> int:
    return EACH + sum(map(len, one.row.values.values())) + EACH_NUMBER * len(one.row.metrics)
