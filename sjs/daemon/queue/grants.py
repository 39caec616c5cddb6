"""In the manager: jobs that the keeper may start by itself, each in the place of one that ends.

Their rows say `starting`, durably, before the keeper hears of them; so who starts is known whoever dies. To people they
still wait: nobody is shown, and nothing is changed, before the keeper has given back those that have not started.
"""

from __future__ import annotations

from typing import Collection, Dict, Iterable, List, Optional, Sequence, Set

from sjs.core import lifecycle
from sjs.core.job import Job, Range, contains
from sjs.core.lifecycle import QUEUED, STARTING
from sjs.core.needs import Machine
from sjs.daemon.queue.counts import Counts
from sjs.daemon.queue.heads import Heads, rank
from sjs.daemon.queue.live import Live
from sjs.daemon.queue.store import Store
from sjs.values import replace

NOWHERE = -1
"""The slot of a job that has none yet."""


class Grants:
    """Those of one queue. `live`: the ledger's jobs that hold a slot, which they become."""

    def __init__(self, store: Store, counts: Counts, heads: Heads, live: Dict[int, Live]) -> None:
        self._store = store
        self._counts = counts
        self._heads = heads
        self._live = live
        self._granted: Dict[str, Live] = {}
        self._last: Optional[Job] = None  # the last of them in the queue
        self._slots: Set[int] = set()  # in which others ran when it was granted, and …
        self._machine: Optional[Machine] = None  # … where

        self.offered: Set[int] = set()  # slots that the keeper has been told are free

    def __len__(self) -> int:
        return len(self._granted)

    @property
    def out(self) -> Collection[Live]:
        """All that the keeper has."""
        return self._granted.values()

    def as_shown(self, job: Job) -> Job:
        """The job as people know it."""
        if not any(one.id == job.id for one in self._granted.values()):
            return job
        return replace(job, state=QUEUED, attempt=job.attempt - 1)

    def count(self, wanted: Sequence[Range], state: str) -> int:
        """How many of these jobs are in a state to people, besides those that are in it by their rows."""
        sign = {QUEUED: 1, STARTING: -1}.get(state, 0)
        return sign * sum(contains(wanted, one.id) for one in self._granted.values()) if sign else 0

    def resume(self, tags: Iterable[str]) -> None:
        """The keeper has these from an earlier manager. When they were granted nobody knows, so they look stale."""
        by_tag = {one.tag: one for one in self._live.values()}
        self._granted = {tag: self._live.pop(by_tag[tag].id) for tag in tags if tag in by_tag}
        for one in self._granted.values():
            self._counts.move(one.state, STARTING)  # of an older copy of the queue one may seem to run
            one.state = STARTING

    def add(self, jobs: Sequence[Job], machine: Machine) -> List[Live]:
        """The front of the queue may start on this machine as it is."""
        state = lifecycle.step(QUEUED, "start")
        found = [Live.of(job, state, NOWHERE) for job in jobs]
        with self._store.unseen():
            self._store.set_starts(state, [(one.attempt, one.id) for one in found])
        self._counts.move(QUEUED, state, len(jobs))
        for job in jobs:
            self._heads.started(job)
        self._granted.update((one.tag, one) for one in found)
        self._last = jobs[-1]
        self._slots, self._machine = {one.slot for one in self._live.values()}, machine
        return found

    def hand_on(self, tag: str, slot: int) -> None:
        """It starts where somebody has just ended."""
        self.offered.discard(slot)
        live = self._granted.pop(tag, None)
        if live is not None:
            live.slot = slot
            self._live[live.id] = live

    def offer(self) -> List[int]:
        """The slots that became free before the keeper knew for whom: it is told of them now."""
        free = self._slots - {one.slot for one in self._live.values()} - self.offered
        self.offered |= free
        return sorted(free)

    def are_stale(self, machine: Machine) -> bool:
        """Whether the queue would be started otherwise by now: somebody has come who goes before them or needs
        something else, or the machine is another."""
        last = self._last
        if last is None or machine != self._machine:
            return True
        fronts = list(self._heads.first(1))  # one of each shape
        return any(rank(job) < rank(last) or job.spec.needs != last.spec.needs for job in fronts)

    def take_back(self, tags: Iterable[str]) -> None:
        """The keeper has not started them, and will not."""
        back = [self._granted.pop(tag) for tag in tags if tag in self._granted]
        if back:
            state = lifecycle.step(back[0].state, "given back")
            with self._store.unseen():
                self._store.set_starts(state, [(one.attempt - 1, one.id) for one in back])
            self._counts.move(back[0].state, state, len(back))
            self._heads.changed()
