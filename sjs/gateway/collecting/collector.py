"""Has collected what jobs leave, when they have ended. Each target has a line of its own, so that nobody waits for a
machine that is away, or for its files."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from sjs.api.sessions import Sessions
from sjs.errors import Refused, SjsError, UsageError
from sjs.gateway.artifacts.store import Store
from sjs.gateway.collecting.one import One
from sjs.gateway.collecting.printed import printed
from sjs.gateway.collecting.wanted import from_text
from sjs.gateway.records import artifacts, outputs
from sjs.gateway.records.artifacts import Leaving
from sjs.gateway.records.jobs import WANTED
from sjs.gateway.records.writer import Writer

LOG = logging.getLogger("sjs.gateway")

AGAIN = 5.0
"""Seconds after which is tried again what has gone wrong twice."""

AT_ONCE = 2
"""Jobs of one target that are collected at the same time: a large file of one holds up no small ones of another."""

PUTS = 16
"""Small files of all jobs that are put at the same time."""

PATIENCE = 10.0
"""Seconds for which who closes waits for a machine that does not answer."""


class Collector:
    """What was left to do before is gone on with when it begins. Any number of threads may ask it."""

    def __init__(self, sessions: Sessions, engine: Engine, write: Writer, store: Store) -> None:
        self._sessions = sessions
        self._engine = engine
        self._write = write
        self._store = store
        self._pool = ThreadPoolExecutor(PUTS, "sjs puts")
        self._held: set[int] = set()
        self._again: set[int] = set()
        self._lines: dict[str, Line] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        with engine.connect() as connection:
            found = artifacts.waiting(connection)
        self._add(found)

    def ended(self, numbers: Sequence[int]) -> None:
        """These jobs have."""
        with self._engine.connect() as connection:
            found = [artifacts.leaving(connection, number) for number in numbers]
        self._add((one.job, one.target) for one in found if one is not None)

    def close(self) -> None:
        """Begin no more, and end what is under way; the next one goes on."""
        self._closed.set()
        with self._lock:
            lines = list(self._lines.values())
        for line in lines:
            line.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _add(self, found: Iterable[tuple[int, str | None]]) -> None:
        with self._lock:
            for number, name in found:
                if name is None or self._closed.is_set():
                    continue
                if number in self._held:
                    self._again.add(number)  # it has run once more while what it had left before was collected
                    continue
                self._held.add(number)
                if name not in self._lines:
                    self._lines[name] = Line(name, self._collect)
                self._lines[name].add(number)

    def _collect(self, name: str, number: int) -> None:
        """Do what there is to do about a job, until there is nothing more."""
        is_more = True
        while is_more:
            try:
                with self._engine.connect() as connection:
                    of = artifacts.leaving(connection, number)
                if of is not None:
                    self._collect_from(name, of)
            except UsageError as error:  # its target is no more in the config: the next gateway that knows it goes on
                LOG.warning("what job %d has left is not collected: %s", number, error)
            with self._lock:
                is_more = number in self._again
                (self._again if is_more else self._held).discard(number)

    def _collect_from(self, name: str, of: Leaving) -> None:
        if of.kept == WANTED and from_text(of.rules).outputs:
            found = printed(self._sessions, of)
            self._write(lambda connection: outputs.keep(connection, of.job, of.attempt, found))
        with self._sessions.target(name) as target:
            try:
                one = One(of, target, self._store, self._pool, self._engine, self._write, self._go_on)
            except Refused as error:
                words, now = [error.message], time.time()
                self._write(lambda connection: artifacts.collected(connection, of, words, now))
                self._write(lambda connection: artifacts.done(connection, of))
                return
            one.collect()

    def _go_on(self) -> None:
        if self._closed.is_set():
            raise Closing("the gateway is about to end")


class Closing(SjsError):
    """Nothing has gone wrong."""


class Line:
    """The jobs of one target, in their order, but for those that something has gone wrong with."""

    def __init__(self, name: str, collect: Callable[[str, int], None]) -> None:
        self._name = name
        self._collect = collect
        self._waiting: deque[int] = deque()
        self._changed = threading.Condition()
        self._rests_until = 0.0
        self._is_well = True
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"sjs collects {name} {number}", daemon=True)
            for number in range(AT_ONCE)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, number: int) -> None:
        with self._changed:
            self._waiting.append(number)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (number := self._next()) is not None:
            try:
                self._collect(self._name, number)
            except Closing:
                return
            except SjsError as error:
                self._failed(number, error)
            except Exception as error:
                LOG.exception("what job %d has left could not be collected", number)
                self._failed(number, error)
            else:
                self._is_well = True

    def _next(self) -> int | None:
        """The next job, when there is one and it may be asked for; None at the end."""
        with self._changed:
            while not self._closed:
                rest = self._rests_until - time.monotonic()
                if self._waiting and rest <= 0:
                    return self._waiting.popleft()
                self._changed.wait(rest if self._waiting else None)
        return None

    def _failed(self, number: int, error: Exception) -> None:
        """Try it again: the first time at once, for a session may only have been too old."""
        with self._changed:
            self._waiting.append(number)
            if not self._is_well:
                LOG.warning("%s: what job %d has left: %s; it is tried again", self._name, number, error)
                self._rests_until = time.monotonic() + AGAIN
            self._is_well = False
            self._changed.notify()
