"""Hears of jobs that targets have: when they begin, and when they end; and writes it down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from sjs.api.jobs import Job, cancel
from sjs.api.sessions import Sessions
from sjs.api.watching import Listener
from sjs.core import job as core
from sjs.core.lifecycle import FINAL
from sjs.errors import SjsError, UnknownJob, Unreachable, UsageError
from sjs.gateway.engine.telling import LOG, Once
from sjs.gateway.records import jobs
from sjs.gateway.records.jobs import CANCEL, RETRY, Place
from sjs.gateway.records.writer import Writer
from sjs.protocols import Target

AGAIN = 5.0
"""Seconds after which somebody who was away is asked again."""

MANY = 100
"""Jobs that are written at a time."""

T = TypeVar("T")


class Ends(Listener):
    """One for all targets. `after`: what is done with jobs whose ends have been written down."""

    hears_begins = True

    def __init__(self, sessions: Sessions, write: Writer, after: Callable[[Sequence[int]], None]) -> None:
        self._sessions = sessions
        self._write = write
        self._after = after
        self._closed = False
        self._said = Once()

    def close(self) -> None:
        """Nobody is to be waited for any more."""
        self._closed = True

    def await_them(self, places: Sequence[Place]) -> None:
        """From now on. Whoever was to be cancelled on the way there is."""
        by_target: dict[str, dict[int, int]] = {}
        unwanted: list[Job] = []
        try:
            tried = self._have_tried([place for place in places if place.wish == RETRY])
            for place in places:
                wish = tried.get(place.job, place.wish)
                if wish == CANCEL:
                    unwanted.append(Job(self._sessions, place.target, place.number))
                if wish != RETRY:
                    by_target.setdefault(place.target, {})[place.number] = place.job
            for name, there in by_target.items():
                self._sessions.watcher(name).add(self, there)
            cancel(unwanted)
        except Unreachable as error:
            self._said.tell(f"{error}; it is asked again")
            self._later(partial(self.await_them, places))

    def _later(self, work: Callable[[], None]) -> None:
        """When the one who was away may be there again."""
        again = threading.Timer(AGAIN, self._try, [work])
        again.daemon = True
        again.start()

    def _try(self, work: Callable[[], None]) -> None:
        try:
            if not self._closed:
                work()
        except SjsError as error:
            self._said.tell(f"{error}; it is asked again")
            self._later(work)

    def _have_tried(self, places: Sequence[Place]) -> dict[int, str]:
        """Have these run again, but for those of which that was said, or is not wanted any more; what is to be said now
        of each. RETRY where nothing can come of it."""
        by_target: dict[str, list[Place]] = {}
        for place in places:
            by_target.setdefault(place.target, []).append(place)
        found: dict[int, str] = {}
        for name, there in by_target.items():
            for some in _pieces(there):
                found |= self._write(partial(jobs.wishes, numbers=[place.job for place in some]))
                found |= self._tell(name, [place for place in some if found.get(place.job) == RETRY])
        return found

    def _tell(self, name: str, places: Sequence[Place]) -> dict[int, str]:
        """A target that these of its jobs are to run again, if it does not know that yet."""
        if not places:
            return {}
        try:
            records = self._records(name, places)
        except UnknownJob as error:
            if len(places) > 1:  # one of them is, or several
                return {job: wish for place in places for job, wish in self._tell(name, [place]).items()}
            self._lose([places[0].job], f"{name}: {error.message}")
            return {}
        gone = [place.job for place in places if place.number not in records]
        if gone:
            self._lose(gone, f"{name}: has no record of it any more")
        there = [(place, records[place.number]) for place in places if place.number in records]
        again = [place.number for place, record in there if record.state in FINAL and record.attempt <= place.attempt]
        if again:
            self._sessions.call(name, lambda target: target.change("again", core.ranges(sorted(again))))
        return self._write(partial(jobs.tried_again, numbers=[place.job for place, _ in there]))

    def _records(self, name: str, places: Sequence[Place]) -> dict[int, core.Job]:
        wanted = core.ranges(sorted(place.number for place in places))
        return {job.id: job for job in self._sessions.call(name, lambda target: [*target.list(wanted)])}

    def began(self, target: Target, seen: Sequence[tuple[int, core.Job]]) -> None:
        now = time.time()
        for some in _pieces(seen):
            self._write(partial(jobs.begun, seen=some, now=now))

    def ended(self, target: Target, seen: Sequence[tuple[int, core.Job]]) -> None:
        now = time.time()
        for some in _pieces([(number, target.name, job) for number, job in seen]):
            self._write(partial(jobs.ended, seen=some, now=now))
            self._after([number for number, _, _ in some])

    def failed(self, keys: Sequence[int], error: SjsError) -> None:
        """Whose target is no more in the config is left to the next gateway that knows it, as all are at the end."""
        if self._closed or isinstance(error, UsageError):
            LOG.info("%d jobs are not waited for any more: %s", len(keys), error)
            return
        if isinstance(error, UnknownJob):
            for some in _pieces(keys):
                self._lose(some, error.message)
            return
        self._said.tell(f"{len(keys)} jobs: {error}; it is asked again")
        self._later(partial(self._resume, keys))

    def _lose(self, keys: Sequence[int], why: str) -> None:
        now = time.time()
        self._write(lambda connection: jobs.lose(connection, keys, why, now))
        self._after(keys)

    def _resume(self, keys: Sequence[int]) -> None:
        for some in _pieces(keys):
            self.await_them(self._write(partial(jobs.places, numbers=some)))


def _pieces(some: Sequence[T]) -> Iterator[Sequence[T]]:
    """Little by little, so that who hands in jobs need not wait for all of it."""
    return (some[start : start + MANY] for start in range(0, len(some), MANY))
