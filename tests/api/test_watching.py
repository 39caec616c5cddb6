"""Who is told of jobs, and of what: against a target that says what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sjs.api.sessions import Sessions
from sjs.api.watching import Listener, Watcher
from sjs.core.job import End, Job, Spec
from sjs.core.lifecycle import QUEUED, RUNNING, STARTING, SUCCEEDED
from sjs.errors import SjsError
from tests.live.machine import DEADLINE


class Scripted:
    """A target whose one job is in the next of these states whenever it says that something has changed."""

    def __init__(self, *states: str) -> None:
        self._left = list(states)
        self._state = self._left.pop(0)

    def changes(self, version: str) -> str:
        self._state = self._left.pop(0)
        return str(len(self._left))

    def hang_up(self) -> None:
        """It waits for nothing."""

    def list(self, spans: object, states: Sequence[str] | None = None) -> list[Job]:
        started = None if self._state in (QUEUED, STARTING) else 2.0
        end = End("exit", 0) if self._state == SUCCEEDED else None
        job = Job(7, Spec("true"), self._state, 1.0, int(self._state != QUEUED), started, end=end)
        return [job] if states is None or self._state in states else []


class OneTarget:
    """Of all sessions, those with one target."""

    patience = DEADLINE

    def __init__(self, target: Scripted) -> None:
        self._target = target

    @contextmanager
    def target(self, name: str) -> Iterator[Scripted]:
        yield self._target


class Noting(Listener):
    hears_begins = True

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.over = threading.Event()

    def began(self, target: object, jobs: Sequence[tuple[Any, Job]]) -> None:
        self.told += [("began", job.started) for _, job in jobs]

    def ended(self, target: object, jobs: Sequence[tuple[Any, Job]]) -> None:
        self.told += [("ended", job.state) for _, job in jobs]
        self.over.set()

    def failed(self, keys: Sequence[Any], error: SjsError) -> None:
        self.told.append(("failed", str(error)))
        self.over.set()


def test_a_job_runs_once_it_has_a_start() -> None:
    for states in (
        (QUEUED, STARTING, RUNNING, RUNNING, SUCCEEDED),
        (STARTING, STARTING, RUNNING, SUCCEEDED),
        (RUNNING, SUCCEEDED),
    ):
        listener = Noting()
        watcher = Watcher(cast(Sessions, OneTarget(Scripted(*states))), "m")
        watcher.add(listener, {7: "key"})
        assert listener.over.wait(DEADLINE)
        begun = [("began", 2.0)] if RUNNING in states[1:] else []
        assert listener.told == [*begun, ("ended", SUCCEEDED)]
