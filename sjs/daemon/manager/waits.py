"""In the manager: requests that are answered when something has happened. Nobody asks again and again."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Sequence

from sjs.core.job import Range, contains

ANY = (0, 0)
"""Stands for the jobs, where any change counts."""


class Waiting(NamedTuple):
    """A request whose answer is due: `done` when what it waited for has happened, else its time is over."""

    session: Any
    request: Any
    done: bool


class _Wait:
    def __init__(
        self,
        session: Any,
        request: Any,
        wanted: Sequence[Range],
        left: int,
        until: Optional[float],
        more: Callable[[], int],
    ) -> None:
        self.session = session
        self.request = request
        self.wanted = wanted
        self.left = left
        self.until = until
        self.more = more


class Waits:
    """All requests that wait for jobs to leave the queue (`start`), to end (`end`), or to end or be queued again
    (`attempt`); or for anything at all to change (`change`)."""

    def __init__(self) -> None:
        self._for = {"start": [], "end": [], "attempt": [], "change": []}  # type: dict[str, List[_Wait]]
        self._version = 0

    def add(
        self,
        what: str,
        session: Any,
        request: Any,
        wanted: Sequence[Range],
        left: int,
        until: Optional[float],
        more: Callable[[], int] = int,
    ) -> None:
        """Wait until `left` more jobs of the ranges have done it, and then for as many as `more` counts, until that
        finds none."""
        self._for[what].append(_Wait(session, request, wanted, left, until, more))

    def happened(self, what: str, ids: Iterable[int]) -> None:
        """These jobs have done it."""
        waits = self._for[what]
        if waits:
            for job_id in ids:
                for wait in waits:
                    if contains(wait.wanted, job_id):
                        wait.left -= 1

    def are_at(self, version: int) -> None:
        """The queue is at this version now."""
        if version != self._version:
            self._version = version
            self.happened("change", [ANY[0]])

    def due(self, now: float) -> List[Waiting]:
        """Those to be answered now; they wait no more."""
        answers: List[Waiting] = []
        for what, waits in self._for.items():
            for one in waits:
                if one.left <= 0:
                    one.left = one.more()
            ripe = [one.left <= 0 or (one.until is not None and now >= one.until) for one in waits]
            if any(ripe):
                self._for[what] = [one for one, due in zip(waits, ripe) if not due]
                answers += [Waiting(one.session, one.request, one.left <= 0) for one, due in zip(waits, ripe) if due]
        return answers

    @property
    def is_any(self) -> bool:
        """Whether somebody waits."""
        return any(self._for.values())

    def drop(self, session: Any) -> None:
        """Its client is gone."""
        for what, waits in self._for.items():
            self._for[what] = [one for one in waits if one.session is not session]

    def next_time(self) -> Optional[float]:
        """When the first of them runs out of time."""
        times = [one.until for waits in self._for.values() for one in waits if one.until is not None]
        return min(times, default=None)
