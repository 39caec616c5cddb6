"""Sees how sweeps go on: hands in those that are held back as others end, hands in no more after too many failures, has
those judged that run. A thread, which is told of what has become durable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Row

from sjs.errors import SjsError, Unreachable
from sjs.gateway.engine.ends import AGAIN
from sjs.gateway.engine.judging import Judging
from sjs.gateway.engine.office import Office
from sjs.gateway.engine.telling import LOG, Once
from sjs.gateway.records import attempts, courses, jobs
from sjs.gateway.records.events import Changes
from sjs.gateway.records.failing import FAILS, asking
from sjs.gateway.records.jobs import Place
from sjs.gateway.records.writer import Writer
from sjs.sweeping.limit import limit, reached
from sjs.values import dataclass


@dataclass(frozen=True)
class Step:
    """What is to be done now for a sweep. `is_moved`: some of its jobs are to be handed in, or to be so no more;
    `again`: where some run again; `waits`: who has some that are to begin no more; `at`: who has some that have not
    ended."""

    is_moved: bool = False
    again: Sequence[Place] = ()
    waits: Sequence[str] = ()
    at: Sequence[str] = ()
    is_over: bool = False


def stops(sweep: Row[Any], failed: int, ended: int) -> str:
    """Why no more of it are to begin, of which so many have failed by now, and so many ended; nothing if they may."""
    if sweep.stopped or sweep.failures is None:
        return str(sweep.stopped)
    failed, ended = max(0, failed - sweep.old_failed), max(0, ended - sweep.old_ended)
    return reached(failed, ended) if limit(sweep.failures).is_reached(failed, ended) else ""


def go_on(connection: Connection, number: int, now: float, is_anew: bool = False) -> Step:
    """Write down what follows for a sweep from how its jobs stand. `is_anew`: what was to be done after that before may
    not have been."""
    sweep = courses.get(connection, number)
    if sweep is None:
        return Step(is_over=True)
    why = "" if sweep.failures is None else stops(sweep, *courses.tally(connection, sweep))
    again: Sequence[Place] = ()
    moved: Sequence[int] = ()
    if why:
        moved = _stopped(connection, sweep, why, now)
    elif sweep.most is not None:
        moved = _next(connection, sweep)
        again = attempts.release(connection, moved) if moved else ()
    if is_anew:
        again = attempts.again(connection, sweep.first, sweep.last)
    if not courses.unended(connection, sweep):
        courses.leave(connection, sweep)
        return Step(is_over=True)
    waits = courses.waiting_at(connection, sweep) if why else ()
    return Step(bool(moved) or is_anew, again, waits, courses.targets(connection, sweep))


def _stopped(connection: Connection, sweep: Row[Any], why: str, now: float) -> Sequence[int]:
    """Those that begin no more for it."""
    if not sweep.stopped:
        courses.stop(connection, sweep, why)
    waiting = courses.waiting_here(connection, sweep)
    if waiting:
        jobs.withdraw(connection, waiting, now, why)
    return waiting


def _next(connection: Connection, sweep: Row[Any]) -> Sequence[int]:
    """Of those that are held back those for which there is room now."""
    held = courses.held(connection, sweep)
    room = sweep.most - (courses.unended(connection, sweep) - len(held))
    return held[: max(0, room)]


class Courses:
    """One for the records; told of what is written from the beginning on, and at work once it is started."""

    def __init__(self, engine: Engine, write: Writer) -> None:
        self._engine = engine
        self._write = write
        self._said = Once()
        self._changed = threading.Condition()
        self._is_new = True
        self._jobs: set[int] = set()
        self._anew: set[int] = set()
        self._known: dict[int, Row[Any]] = {}
        self._ending: set[tuple[int, str]] = set()
        self._closed = False
        self._is_troubled = False
        self._thread = threading.Thread(target=self._serve, name="sjs sweeps", daemon=True)

    def start(self, office: Office) -> None:
        """What was begun before is gone on with."""
        self._office = office
        self._judging = Judging(office.sessions, self._engine)
        self._thread.start()

    def tell(self, changes: Changes) -> None:
        """This has become durable, or may have."""
        with self._changed:
            self._anew |= changes.attended
            self._is_new |= bool(changes.attended)
            if self._is_new or self._known:
                self._jobs |= changes.jobs
                self._changed.notify()

    def close(self) -> None:
        """Finish what it is at."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
            self._judging.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                self._round()
                self._is_troubled = False
            except (SjsError, *FAILS) as error:
                self._bear(partial(self._said.tell, f"sweeps stay as they are for now: {error}"))
            except Exception:  # noqa: BLE001 (jobs wait for it, whatever has gone wrong)
                self._bear(partial(LOG.exception, "sweeps stay as they are for now"))

    def _bear(self, tell: Callable[[], object]) -> None:
        if not self._closed:
            tell()
            self._is_troubled = True
            with self._changed:
                self._changed.wait_for(lambda: self._closed, AGAIN)

    def _round(self) -> None:
        """Wait until there is something to be seen to, and do."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_new or self._is_troubled or self._closed)
            is_new, self._is_new = self._is_new or self._is_troubled, False
            numbers, self._jobs = self._jobs, set()
            anew, self._anew = self._anew, set()
        for number in anew:
            self._judging.leave(number)
        before = set(self._known) - anew
        if is_new:
            self._look()
        for sweep in list(self._known.values()):
            is_fresh = self._is_troubled or sweep.id not in before
            if not self._closed and (is_fresh or _has_one(sweep, numbers)):
                self._go_on(sweep)

    def _look(self) -> None:
        with asking(self._engine) as connection:
            self._known = {row.id: row for row in courses.attended(connection)}

    def _go_on(self, sweep: Row[Any]) -> None:
        step = self._write(partial(go_on, number=sweep.id, now=time.time(), is_anew=self._is_troubled))
        if step.is_moved:
            self._office.go_on([sweep.word])
        if step.again:
            self._aside(partial(self._office.go_on, (), step.again))
        for name in step.waits:
            if (sweep.id, name) not in self._ending:
                self._ending.add((sweep.id, name))
                self._aside(partial(self._end_waiting, sweep.id, name))
        if step.is_over:
            self._known.pop(sweep.id, None)
            self._judging.leave(sweep.id)
        elif sweep.rule is not None:
            self._judging.attend(sweep, step.at)

    def _aside(self, work: Callable[[], None]) -> None:
        """In a thread of its own, for it asks machines, which may be away."""

        def run() -> None:
            try:
                work()
            except SjsError as error:
                LOG.warning("%s", error)
            except Exception:  # noqa: BLE001 (told, and no other waits for it)
                LOG.exception("a sweep is not seen to as it should be")

        threading.Thread(target=run, name="sjs sweep", daemon=True).start()

    def _end_waiting(self, number: int, name: str) -> None:
        """End what waits at a target of a sweep that was stopped, as soon as that can be said there."""
        try:
            while not self._closed:
                try:
                    with asking(self._engine) as connection:
                        sweep = courses.get(connection, number)
                        if sweep is None or not sweep.stopped:
                            return
                        there = courses.waiting_there(connection, sweep, name)
                    self._office.end_waiting(name, there, sweep.stopped)
                    return
                except Unreachable as error:
                    self._said.tell(f"[{name}] what waits there of a sweep is ended later: {error}")
                    with self._changed:
                        self._changed.wait_for(lambda: self._closed, AGAIN)
        finally:
            self._ending.discard((number, name))


def _has_one(sweep: Row[Any], numbers: set[int]) -> bool:
    return any(sweep.first <= number <= sweep.last for number in numbers)
