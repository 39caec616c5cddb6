"""In the manager: the front of the queue.

Jobs with the same needs have one shape; each shape has a queue of its own, by priority and id, of which a little is
read ahead. So a million jobs cost no more than a few, and many kinds of jobs cost what there are kinds.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from sjs.core.job import Job
from sjs.core.needs import Needs
from sjs.daemon.queue.store import Store

AHEAD = 32
"""Jobs of a shape that are read at a time, …"""

ALL_AHEAD = 1_024
"""… or fewer, where there are many shapes: what was read is kept, and looked at in each turn."""


class Read(NamedTuple):
    """The first jobs of a shape; all of them if `complete`."""

    jobs: List[Job]
    complete: bool


class Heads:
    """The front of each shape's queue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shapes: Dict[int, Optional[Read]] = dict.fromkeys(store.queued_shapes())
        self._shape_of: Dict[Needs, int] = {}
        self._is_stale = False

    def first(self, count: int) -> Iterator[Job]:
        """The queue in its order: of each shape so many jobs."""
        self._renew()
        fronts = [self._front(shape, count) for shape in list(self._shapes)]
        return heapq.merge(*fronts, key=rank)

    def __iter__(self) -> Iterator[Job]:
        """The queue in its order, of which no more is read than is asked for."""
        self._renew()
        return heapq.merge(*map(self._one_by_one, list(self._shapes)), key=rank)

    def added(self, shape: int, priority: int, job_id: int) -> None:
        """A job was queued."""
        read = self._shapes.get(shape)
        if read is not None and read.jobs and not read.complete and (-priority, job_id) > rank(read.jobs[-1]):
            return  # behind what was read
        self._shapes[shape] = None

    def started(self, job: Job) -> None:
        """One of the first is queued no more."""
        read = self._shapes[self._shape_of[job.spec.needs]]
        if read is not None:
            read.jobs.remove(job)

    def changed(self) -> None:
        """Something happened in the middle of a queue."""
        self._is_stale = True

    def _renew(self) -> None:
        if self._is_stale:
            self._shapes = dict.fromkeys(self._store.queued_shapes())
            self._is_stale = False

    def _one_by_one(self, shape: int) -> Iterator[Job]:
        for number in count():
            jobs = self._front(shape, number + 1)
            if number == len(jobs):
                return
            yield jobs[number]

    def _front(self, shape: int, count: int) -> List[Job]:
        read = self._shapes[shape]
        if read is None or (len(read.jobs) < count and not read.complete):
            known = [] if read is None else read.jobs
            wanted = max(count - len(known), min(AHEAD, ALL_AHEAD // len(self._shapes)))
            more = self._store.queued(shape, wanted, known[-1] if known else None)
            read = self._shapes[shape] = Read(known + more, len(more) < wanted)
            self._shape_of.update((job.spec.needs, shape) for job in read.jobs[:1])
        if not read.jobs and read.complete:
            del self._shapes[shape]
        return read.jobs[:count]


def rank(job: Job) -> Tuple[int, int]:
    """Its place in the queue: the smaller, the earlier."""
    return -job.spec.priority, job.id
