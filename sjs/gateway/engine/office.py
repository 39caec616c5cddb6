"""All that carries jobs: takes them in, has them handed in, hears of their ends, has collected what they leave."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future

from sqlalchemy import Engine

from sjs.answers import Status
from sjs.api.jobs import Job, cancel
from sjs.api.sessions import Sessions
from sjs.config import Config
from sjs.core.job import ranges
from sjs.core.lifecycle import PENDING
from sjs.core.metrics import Measured
from sjs.errors import Unreachable
from sjs.gateway.artifacts.store import Store
from sjs.gateway.collecting.collector import Collector
from sjs.gateway.engine.ends import Ends
from sjs.gateway.engine.lane import Lane
from sjs.gateway.engine.telling import Once
from sjs.gateway.records import attempts, jobs
from sjs.gateway.records.accepting import Asked, accept
from sjs.gateway.records.jobs import New, Place, Taken
from sjs.gateway.records.sweeps import NewSweep
from sjs.gateway.records.writer import Writer
from sjs.protocols import Target
from sjs.results.rows import measured

MOST = 256
"""Words for targets that jobs are handed in for at a time: each has a lane."""


class Crowded(Unreachable):
    """Too many words at a time."""

    code = "busy"


class Office:
    """What was accepted before is gone on with when it opens. Any number of threads may ask it."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        write: Writer,
        store: Store,
    ) -> None:
        self._said = Once()
        self._sessions = Sessions(config, None, self._told, None, float("inf"))
        self._engine = engine
        self._write = write
        self._collector = Collector(self._sessions, engine, write, store)
        self._ends = Ends(self._sessions, write, self._collector.ended)
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()
        with engine.connect() as connection:
            known, words = jobs.unended(connection), jobs.words(connection)
        self._ends.await_them(known)
        self._kick(words)

    def _told(self, name: str, line: str) -> None:
        self._said.tell(f"[{name}] {line}", logging.INFO)

    def close(self) -> None:
        """Hand in no more, and hear of nothing; the next office goes on."""
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.close()
        self._collector.close()
        self._ends.close()
        self._sessions.close()

    @property
    def sessions(self) -> Sessions:
        """Of the fleet that it hands in to."""
        return self._sessions

    def go_on(self, words: Iterable[str] = (), places: Sequence[Place] = ()) -> None:
        """There may be jobs for these words to hand in; those at these places are to run again."""
        self._kick(words)
        if places:
            self._ends.await_them(places)

    def end_waiting(self, target: str, numbers: Sequence[int], note: str) -> None:
        """End those of a target's jobs that have not begun there; their records say the note."""

        def end(there: Target) -> None:
            waiting = [job.id for job in there.list(ranges(sorted(numbers)), PENDING)]
            if waiting:
                there.cancel(ranges(waiting), note=note)

        if numbers:
            self._sessions.call(target, end)

    def _kick(self, words: Iterable[str]) -> None:
        with self._lock:
            for word in words:
                self._lane(word).kick()

    def _lane(self, word: str) -> Lane:
        if word not in self._lanes:
            after = self._ends.await_them
            self._lanes[word] = Lane(word, self._sessions, self._engine, self._write, after, self._leave)
        return self._lanes[word]

    def _leave(self, lane: Lane) -> bool:
        """Have a lane end, if nobody wants it any more."""
        with self._lock:
            is_over = not lane.is_wanted
            if is_over:
                del self._lanes[lane.word]
            return is_over

    def _open(self, words: Iterable[str]) -> None:
        """Have a lane for each. Crowded, if there are too many."""
        with self._lock:
            new = set(words) - self._lanes.keys()
            if new and len(self._lanes) + len(new) > MOST:
                raise Crowded(f"jobs are for more than {MOST} sets of targets at a time", "name fewer")
            for word in new:
                self._lane(word)

    def accept(
        self,
        new: Sequence[New],
        owner: str,
        origin: str,
        key: str | None = None,
        said: str | None = None,
        sweep: NewSweep | None = None,
    ) -> Future[Taken]:
        """Take jobs in: once this has come true they run, whatever becomes of this process."""
        self._open(one.word for one in new)
        taken = self._write.put_among(accept, Asked(new, owner, origin, time.time(), key, said, sweep))
        taken.add_done_callback(lambda done: self._kick({one.word for one in new}))
        return taken

    def cancel(self, numbers: Sequence[int], grace: float | None = None) -> None:
        """End jobs that have not ended, wherever they are. Unreachable where that cannot be said to their target."""
        now = time.time()
        self._write(lambda connection: jobs.withdraw(connection, numbers, now))
        with self._engine.connect() as connection:
            places, words = jobs.places(connection, numbers), jobs.homeless(connection, numbers)
        self._kick(words)
        cancel([Job(self._sessions, one.target, one.number) for one in places], grace)

    def retry(self, number: int, word: str) -> None:
        """Have a job that has ended run again where it was; one that nobody has had, by whom the word means. Where that
        can not be said now, it is later."""
        now = time.time()
        place = self._write(lambda connection: attempts.retry(connection, number, now))
        if place is None:
            self._kick([word])
        else:
            self._ends.await_them([place])

    def retry_some(self, numbers: Sequence[int], word: str) -> None:
        """The same of all of these that have ended."""
        now = time.time()
        places = self._write(lambda connection: attempts.retry_some(connection, numbers, now))
        self._ends.await_them([place for place in places if place is not None])
        self._kick([word])

    def measured(self, target: str, attempts: Sequence[tuple[int, int]]) -> Measured:
        """What attempts have printed in numbers."""
        with self._sessions.target(target) as there:
            return measured(there, attempts)

    def job(self, target: str, number: int) -> Job:
        """What a target can be asked of a job."""
        return Job(self._sessions, target, number)

    def report(self, target: str) -> Status:
        """How a target is."""
        return self._sessions.call(target, lambda one: one.report())

    def drain(self, target: str, on: bool) -> None:
        """Have nothing new start at a target, or again as usual."""
        self._sessions.call(target, lambda one: one.drain(on))
