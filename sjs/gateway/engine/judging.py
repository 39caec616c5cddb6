"""Has those jobs of sweeps ended that are clearly behind: a session and a thread for each target that a sweep has jobs
at, for it is heard of what they print as they print it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Row, func, select

from sjs.api.sessions import Sessions
from sjs.core import stopping
from sjs.core.lifecycle import FINAL
from sjs.core.stopping import MAX_STEPS
from sjs.departure import Departed, Departure
from sjs.errors import Refused, SjsError, UsageError
from sjs.gateway.engine.ends import AGAIN
from sjs.gateway.engine.telling import LOG, Once
from sjs.gateway.records.failing import asking
from sjs.gateway.records.tables import jobs
from sjs.protocols import Target
from sjs.results.judge import Judge

MOST = 16
"""Sweeps that are judged at a time."""

VALUES = 1_000_000
"""Of all jobs of one together, that are kept of them."""

SETTLES = 60.0
"""Seconds until a job that a target has taken is known here to be one of a sweep's."""


def steps(settings: int) -> int:
    """So many values of each job count, of a sweep of so many."""
    return min(MAX_STEPS, VALUES // settings)


class Span:
    """The jobs of one sweep, as the records have them: another one's may have the same name."""

    settles = SETTLES

    def __init__(self, engine: Engine, first: int, last: int) -> None:
        self._engine = engine
        self._span = (first, last)

    def first(self, target: Target) -> int | None:
        least = select(func.min(jobs.c.number)).where(jobs.c.target == target.name, jobs.c.id.between(*self._span))
        with asking(self._engine) as connection:
            found: int | None = connection.scalar(least)
        return found

    def known(self, target: Target, numbers: Sequence[int]) -> Mapping[int, bool]:
        there = (jobs.c.target == target.name, jobs.c.number.in_(numbers), jobs.c.id.between(*self._span))
        with asking(self._engine) as connection:
            found = connection.execute(select(jobs.c.number, jobs.c.state).where(*there)).all()
        return {number: state not in FINAL for number, state in found}


class _Case:
    """One sweep."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.watched: dict[str, Departure] = {}
        self.over = threading.Event()


class Judging:
    """For one thread, which says who is to be judged, and where."""

    def __init__(self, sessions: Sessions, engine: Engine) -> None:
        self._sessions = sessions
        self._engine = engine
        self._said = Once()
        self._cases: dict[int, _Case] = {}

    def attend(self, sweep: Row[Any], targets: Iterable[str]) -> None:
        """Have its jobs judged that are at these."""
        case = self._cases.get(sweep.id)
        if case is None:
            roster = Span(self._engine, sweep.first, sweep.last)
            judge = Judge(roster, stopping.parse(sweep.rule), most=steps(sweep.last - sweep.first + 1))
            case = self._cases[sweep.id] = _Case(judge)
        for name in targets:
            if name not in case.watched:
                case.watched[name] = Departure()
                of = f"sweep {sweep.name}: [{name}]"
                threading.Thread(target=self._watch, args=(case, name, of), name="sjs judges", daemon=True).start()

    def leave(self, sweep: int) -> None:
        """Judge nobody of it any more, or anew."""
        case = self._cases.pop(sweep, None)
        if case is not None:
            case.over.set()
            case.judge.stop()
            for departure in case.watched.values():
                departure.tell()  # so nobody waits on for what is printed there

    def close(self) -> None:
        for sweep in list(self._cases):
            self.leave(sweep)

    def _watch(self, case: _Case, name: str, of: str) -> None:
        while not case.over.is_set():
            try:
                self._watch_by_one(case, name, of)
            except Departed:
                return
            except (Refused, UsageError) as error:
                LOG.warning("%s nobody is judged there: %s", of, error)
                return
            except SjsError as error:
                self._said.tell(f"{of} nobody is judged there for now: {error}; it is tried again")
                case.over.wait(AGAIN)
            except Exception:  # noqa: BLE001 (others are judged on)
                LOG.exception("%s nobody is judged there for now; it is tried again", of)
                case.over.wait(AGAIN)

    def _watch_by_one(self, case: _Case, name: str, of: str) -> None:
        target = self._sessions.take(self._sessions.manager(name), "")
        try:
            with case.watched[name].heard(target.hang_up):
                for one in case.judge.watch(target):
                    LOG.info("%s job %d there is being ended: %s", of, one.job, one.why)
        finally:
            target.close()
