"""Hears of the ends of jobs: one thread and one session for each target on which somebody waits, however many do.

It sleeps at the manager until something of the queue changes, and then asks which of the jobs have ended. A job that
ended before the thread knew of it would be no change any more: so whoever adds jobs to those that are waited for looks
at them once.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sjs.core.job import Job, ranges
from sjs.core.lifecycle import FINAL, MOVED, RUNNING
from sjs.departure import Departure
from sjs.errors import LinkLost, NotReached, SjsError, UnknownJob
from sjs.protocols import Target

if TYPE_CHECKING:
    from sjs.api.sessions import Sessions

BRIEF, LONG, LONGEST = 0.01, 0.1, 1.0
"""Seconds between two looks while one change follows the other: each time twice as long, until it is LONG, or BRIEF for
each job that is waited for; so that a queue of a thousand short jobs is not asked a thousand times."""

AWAY = (LinkLost, NotReached)
"""Errors after which a machine may be there again later."""

AGAIN = 5.0
"""Seconds until it is asked again."""

Told = tuple["Listener", Any]


class Listener(ABC):
    """Who waits for jobs, each under a key of his own."""

    hears_begins = False
    """Whether he is told, too, when they begin to run."""

    def began(self, target: Target, jobs: Sequence[tuple[Any, Job]]) -> None:  # noqa: B027 (who does not hear of it)
        """These run, for the first time or again, and say since when. After NotReached it is told again."""

    @abstractmethod
    def ended(self, target: Target, jobs: Sequence[tuple[Any, Job]]) -> None:
        """These have; the target may be asked more of them. After LinkLost or NotReached it is told again, at least of
        the others."""

    @abstractmethod
    def failed(self, keys: Sequence[Any], error: SjsError) -> None:
        """Nobody will hear of their ends."""


class Watcher:
    """The ends of one target's jobs. Those that have moved are waited for where they are."""

    def __init__(self, sessions: Sessions, name: str) -> None:
        self._sessions = sessions
        self._name = name
        self._lock = threading.Lock()
        self._awaited: dict[int, list[Told]] = {}
        self._begun: dict[int, int] = {}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._departure = Departure()
        self._rest = BRIEF
        self._heard: float | None = None

    def add(self, listener: Listener, keys: Mapping[int, Any]) -> None:
        """Tell the listener of the end of each of these jobs, by the key behind its id."""
        with self._lock:
            for number, key in keys.items():
                self._awaited.setdefault(number, []).append((listener, key))
            self._rest = BRIEF
            begins = self._thread is None
            if begins:
                thread = threading.Thread(target=self._watch, name=f"sjs {self._name}", daemon=True)
                thread.start()  # which waits for the lock
                self._thread = thread
        if not begins:
            self._sessions.call(self._name, lambda target: self._look(target, keys))

    def close(self) -> None:
        """Wait for nothing any more."""
        self._closed.set()
        self._fail(SjsError("the fleet was closed while jobs were waited for", "they run on"))
        self._departure.tell()

    def _watch(self) -> None:
        try:
            while not self._closed.is_set():
                try:
                    self._watch_over_one_link()
                    return
                except AWAY as error:
                    self._bear(error)
        except SjsError as error:
            self._fail(error)
        except BaseException as error:
            self._fail(SjsError(f"waiting at {self._name} has ended over {error!r:.200}"))
            raise

    def _watch_over_one_link(self) -> None:
        with self._sessions.target(self._name) as target, self._departure.heard(target.hang_up):
            if self._heard is not None or self._hears_begins():
                self._miss(target, self._numbers())
            version = ""
            while self._has_more():
                asked = time.monotonic()
                version = target.changes(version)
                self._heard = time.monotonic()
                self._look(target, self._numbers())
                self._pause(time.monotonic() - asked)

    def _bear(self, error: SjsError) -> None:
        """Wait a little before the next attempt; raise the error where the machine has been away for too long."""
        if self._heard is None or time.monotonic() - self._heard > self._sessions.patience:
            raise error
        self._sessions.notice(self._name, f"{error.message}; jobs are waited for there, and it is asked again")
        self._closed.wait(AGAIN)

    def _has_more(self) -> bool:
        """Whether to go on; else the next job that is added begins anew."""
        with self._lock:
            goes_on = bool(self._awaited) and not self._closed.is_set()
            if not goes_on:
                self._thread = None
            return goes_on

    def _numbers(self) -> list[int]:
        with self._lock:
            return list(self._awaited)

    def _pause(self, quiet: float) -> None:
        with self._lock:
            most = min(max(LONG, BRIEF * len(self._awaited)), LONGEST)
            self._rest = BRIEF if quiet > LONG else min(2 * self._rest, most)
            rest = self._rest
        self._closed.wait(rest)

    def _miss(self, target: Target, numbers: Sequence[int]) -> None:
        """Tell of those that have no record there any more. Who was always here hears of ends before that comes to it:
        so it is looked for only after somebody was away."""
        there = set(_there(target, sorted(numbers)))
        with self._lock:
            gone = [(one, None) for number in numbers if number not in there for one in self._popped(number)]
        error = UnknownJob(f"{self._name} has no record of it any more")
        _to_each(gone, lambda listener, keys: listener.failed([key for key, _ in keys], error))

    def _look(self, target: Target, numbers: Iterable[int]) -> None:
        """Tell of those that have ended."""
        states = (RUNNING, *FINAL) if self._hears_begins() else FINAL
        found = list(target.list(ranges(sorted(numbers)), states))
        with self._lock:
            began = [one for job in found if job.state == RUNNING for one in self._new_begin(job)]
        try:
            _to_each(began, lambda listener, jobs: listener.began(target, jobs))
        except AWAY:
            with self._lock:
                for _, job in began:
                    self._begun.pop(job.id, None)
            raise
        with self._lock:
            told = [(one, job) for job in found if job.state in FINAL for one in self._popped(job.id)]
        here: list[tuple[Told, Job]] = []
        for one, job in told:
            place = moved_to(job)
            if place is not None and self._sessions.config.find(place[0]) is not None:
                self._sessions.watcher(place[0]).add(one[0], {place[1]: one[1]})
            else:
                here.append((one, job))
        _to_each(here, partial(self._tell, target))

    def _hears_begins(self) -> bool:
        with self._lock:
            return any(one[0].hears_begins for some in self._awaited.values() for one in some)

    def _new_begin(self, job: Job) -> list[tuple[Told, Job]]:
        if self._begun.get(job.id) == job.attempt:
            return []
        self._begun[job.id] = job.attempt
        return [(one, job) for one in self._awaited.get(job.id, ()) if one[0].hears_begins]

    def _popped(self, number: int) -> Sequence[Told]:
        self._begun.pop(number, None)
        return self._awaited.pop(number, ())

    def _tell(self, target: Target, listener: Listener, jobs: list[tuple[Any, Job]]) -> None:
        try:
            listener.ended(target, jobs)
        except AWAY:  # it could not ask all that it has to: later
            with self._lock:
                for key, job in jobs:
                    self._awaited.setdefault(job.id, []).append((listener, key))
            raise

    def _fail(self, error: SjsError) -> None:
        with self._lock:
            told = [(one, None) for some in self._awaited.values() for one in some]
            self._awaited.clear()
            self._thread = None
        _to_each(told, lambda listener, keys: listener.failed([key for key, _ in keys], error))


def _there(target: Target, numbers: Sequence[int]) -> Sequence[int]:
    """Of which of these it has a record. It refuses to list what it has never had, as one whose queue is new."""
    try:
        return [job.id for job in target.list(ranges(numbers))]
    except UnknownJob:
        half = len(numbers) // 2
        return [*_there(target, numbers[:half]), *_there(target, numbers[half:])] if half else []


def moved_to(job: Job) -> tuple[str, int] | None:
    """Where a job is that has moved to another queue."""
    if job.state != MOVED or job.end is None:
        return None
    name, _, number = job.end.detail.rpartition(":")
    return name, int(number)


def _to_each(told: Iterable[tuple[Told, Any]], tell: Callable[[Listener, list[tuple[Any, Any]]], None]) -> None:
    """What each listener is to hear, at once."""
    heard: dict[int, tuple[Listener, list[tuple[Any, Any]]]] = {}
    for (listener, key), what in told:
        heard.setdefault(id(listener), (listener, []))[1].append((key, what))
    for listener, some in heard.values():
        tell(listener, some)
