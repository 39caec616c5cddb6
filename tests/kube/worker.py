"""The thread in which controllers look at what has changed, one object at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tests.kube.kinds import Resource
from tests.kube.store import Change, Store

Task = tuple[Resource, str, str]


class Controller(Protocol):
    """Sees to it that an object becomes what is wanted of it."""

    def tasks(self, change: Change) -> Iterable[Task]:
        """The objects to look at because of this change."""

    def sync(self, task: Task) -> float | None:
        """Look at one, with the store's lock held; the time (as of `time.time`) to look again, if any."""


@dataclass
class Worker:
    """Looks at objects when they changed, and when a controller said it would come back to them."""

    store: Store
    controllers: list[Controller]
    _due: dict[tuple[int, Task], float] = field(default_factory=dict)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _busy: bool = False
    _ending: bool = False
    _thread: threading.Thread | None = None
    _failure: BaseException | None = None

    def start(self) -> None:
        self.store.subscribers.append(self._heard)
        self._thread = threading.Thread(target=self._run, name="kube-controllers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._news:
            self._ending = True
            self._news.notify_all()
        if self._thread:
            self._thread.join(10)
        self.store.subscribers.remove(self._heard)
        self._tell_failure()

    def settle(self, seconds: float = 20) -> None:
        """Until nothing is left to be looked at now."""
        with self._news:
            idle = self._news.wait_for(lambda: self._failure or not (self._busy or self._ready()), seconds)
        self._tell_failure()
        if not idle:
            raise TimeoutError(f"the controllers did not come to rest within {seconds} s")

    def _heard(self, change: Change) -> None:
        with self._news:
            for place, controller in enumerate(self.controllers):
                for task in controller.tasks(change):
                    self._due.pop((place, task), None)
                    self._due[place, task] = 0.0
            self._news.notify_all()

    def _ready(self) -> tuple[int, Task] | None:
        now = time.time()
        return next((key for key, moment in self._due.items() if moment <= now), None)

    def _run(self) -> None:
        while not self._ending and self._failure is None:
            with self._news:
                key = self._ready()
                if key is None:
                    soonest = min(self._due.values(), default=None)
                    self._news.notify_all()
                    self._news.wait(None if soonest is None else max(0.0, soonest - time.time()))
                    continue
                del self._due[key]
                self._busy = True
            self._look(key)

    def _look(self, key: tuple[int, Task]) -> None:
        place, task = key
        again = None
        try:
            with self.store.lock:
                again = self.controllers[place].sync(task)
        except BaseException as error:  # noqa: BLE001 - told to who settles or stops
            self._failure = error
        with self._news:
            self._busy = False
            if again is not None:
                self._due.setdefault(key, again)
            self._news.notify_all()

    def _tell_failure(self) -> None:
        if self._failure is not None:
            raise RuntimeError("a controller of the test cluster failed") from self._failure
