"""The sessions of one fleet, for any number of threads.

A target serves one thread at a time. So whoever needs one takes it out of those that are open and idle, or has another
made, and gives it back. Short questions to one target go one after the other, so a hundred threads are no hundred
logins; who follows an output, or waits, has a session for that.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sjs import reach, routing
from sjs.api.watching import Watcher
from sjs.config import Config, Manager
from sjs.core.overflow import Overflow
from sjs.errors import Refused, UsageError
from sjs.protocols import Ask, Target
from sjs.routing import Notice, start_word

T = TypeVar("T")

START = "start"
"""What is said to a machine on which a manager may be started."""


class Sessions:
    """Opened when they are first needed, kept open until closed."""

    def __init__(
        self, config: Config, config_file: str | None, notice: Notice, ask: Ask | None, patience: float
    ) -> None:
        self.config = config
        self.config_file = config_file
        self.notice = notice
        self.ask = ask
        self.patience = patience
        self.dealing = threading.Lock()
        """Held by who hands in to `any`: of two at once, each would take the other's free slots for its own."""
        self._lock = threading.Lock()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._idle: defaultdict[tuple[str, str], list[Target]] = defaultdict(list)
        self._watchers: dict[str, Watcher] = {}
        self._closed = False
        weakref.finalize(self, _close, self._idle).atexit = False  # the program's end closes them as well

    def call(self, name: str, work: Callable[[Target], T], start: str = "") -> T:
        """A short question to one target, when it is its turn."""
        with self._lock:
            turn = self._turns[name]
        with turn, self.target(name, start) as target:
            return work(target)

    @contextmanager
    def target(self, name: str, start: str = "") -> Iterator[Target]:
        """A target for this thread alone."""
        manager = self.manager(name)
        target = self.take(manager, start)
        try:
            yield target
        except Refused:
            self.give_back(manager, start, target)
            raise
        except BaseException:
            target.close()
            raise
        self.give_back(manager, start, target)

    def manager(self, name: str) -> Manager:
        """The entry of this name."""
        found = self.config.find(name)
        if found is None:
            raise UsageError(f"there is no target '{name}'", f"these are: {', '.join(self.config.names)}")
        return found

    def take(self, manager: Manager, start: str) -> Target:
        """One that nobody else has. `start`: whether it may start a manager, as in `routing.Fleet`."""
        with self._lock:
            if self._closed:
                raise UsageError("this fleet has been closed", "sjs.connect() makes another one")
            idle = self._idle[manager.name, start]
            if idle:
                return idle.pop()
        word = start_word(manager, start)
        return reach.target(manager, word, os.environ, lambda line: self.notice(manager.name, line), self.ask)

    def give_back(self, manager: Manager, start: str, target: Target) -> None:
        """From now on others may have it. One that owes an answer is of no use to them."""
        with self._lock:
            if not self._closed and not target.owes:
                self._idle[manager.name, start].append(target)
                return
        target.close()

    def fleet(self, managers: Sequence[Manager], start: str = "", overflow: Overflow | None = None) -> routing.Fleet:
        """What asks several at once, with sessions that are open already."""
        return _Borrowing(self, managers, start, overflow)

    def watcher(self, name: str) -> Watcher:
        """Who hears of the ends of a target's jobs."""
        with self._lock:
            if name not in self._watchers:
                self._watchers[name] = Watcher(self, name)
            return self._watchers[name]

    def close(self) -> None:
        """Close what is idle; the rest closes when it comes back. Who waits is told."""
        with self._lock:
            self._closed = True
            idle = dict(self._idle)
            self._idle.clear()
            watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.close()
        _close(idle)


def _close(idle: Mapping[tuple[str, str], list[Target]]) -> None:
    for targets in idle.values():
        for target in targets:
            target.close()


class _Borrowing(routing.Fleet):
    """The targets of one question, out of those that are open."""

    def __init__(
        self, sessions: Sessions, managers: Sequence[Manager], start: str, overflow: Overflow | None = None
    ) -> None:
        super().__init__(managers, start, sessions.notice, ask=sessions.ask, overflow=overflow)
        self._sessions = sessions
        self._starts: dict[str, str] = {}

    def _build(self, manager: Manager) -> Target:
        target = self._sessions.take(manager, self._start)
        self._starts[manager.name] = self._start
        return target

    def _let_go(self, target: Target) -> None:
        self._sessions.give_back(self.managers[target.name], self._starts[target.name], target)
