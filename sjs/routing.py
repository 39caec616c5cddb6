"""From names to targets: whom a word means, and asking many at once."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from types import TracebackType
from typing import Generic, TypeVar, cast

from sjs import reach
from sjs.config import Config, Manager
from sjs.core import health
from sjs.core.job import Report
from sjs.core.names import expand, groups_in
from sjs.core.overflow import Overflow
from sjs.errors import NoManager, NoQueue, SjsError, Unreachable, UsageError
from sjs.fitting import Fitting
from sjs.protocols import Ask, Target
from sjs.values import dataclass

MAX_THREADS = 32
"""Targets that are asked at once, but for those that have not answered for as long as …"""

SLOW = 1.0
"""… so many seconds: whoever hangs keeps nobody from being asked."""

LATE = 0.3
"""Seconds that `any` gives the others at least, once one with a free slot has answered."""

HELD = 1.0
"""Seconds for which an answer is kept back at most, so that answers come in the config's order."""

T = TypeVar("T")
Notice = Callable[[str, str], None]
"""Takes a target's name and a line for the person."""


@dataclass(frozen=True)
class Choice:
    """Whom a word means. `named`: answers carry the target's name; `any`: one of them is to be chosen."""

    managers: Sequence[Manager]
    named: bool = False
    any: bool = False
    overflow: Overflow | None = None
    """Those of the managers that get only what would have to wait elsewhere, if there are such."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What one target said: a value, or why there is none."""

    name: str
    value: T | None = None
    error: SjsError | None = None

    def get(self) -> T:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return cast(T, self.value)


def select(config: Config, word: str) -> Choice:
    """The managers that a target word means: a set (`core.names`), or `any` of all or `any:SET`, the best of a set."""
    is_any = word == "any" or word.startswith("any:")
    wanted = "all" if word == "any" else word[4:] if is_any else word
    names = expand(wanted, config.known)
    overflow = _overflow(config, wanted, names) if is_any else None
    spare = overflow.names if overflow is not None else ()
    found = [one for one in map(config.find, [*names, *spare]) if one is not None]
    return Choice(found, named=is_any or config.find(wanted) is None, any=is_any, overflow=overflow)


def _overflow(config: Config, word: str, names: Sequence[str]) -> Overflow | None:
    """Where jobs go for which these have no room: by what the config says of the group that the word names."""
    found = [name for name in groups_in(word) if name in config.groups and config.groups[name].overflow]
    if len(found) > 1:
        which = " and ".join(f"@{name}" for name in found)
        raise UsageError(f"{which} overflow each in its own way", "name one of them, or a group that has them both")
    if not found:
        return None
    group = config.groups[found[0]]
    everyone = expand(f"{word},{group.overflow}", config.known)
    spare = tuple(name for name in everyone if name not in names)
    return Overflow(found[0], spare, group.limits) if spare else None


class Fleet:
    """The targets of one command, each with at most one session. A missing manager is not started, unless `start` is
    "start" or (even if it was stopped on purpose) "restart"."""

    def __init__(
        self,
        managers: Sequence[Manager],
        start: str,
        notice: Notice,
        max_jobs: int | None = None,
        ask: Ask | None = None,
        overflow: Overflow | None = None,
    ) -> None:
        self.overflow = overflow
        self.managers = {one.name: one for one in managers}
        self._start = start
        self._max_jobs = max_jobs
        self._ask = ask
        self.notice = notice
        self._targets: dict[str, Target] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.fitting = Fitting(managers, lambda name, text: self.notice(name, text))

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._over.set()
            idle = [target for name, target in self._targets.items() if name not in self._busy]
        for target in idle:  # who is late lets his own go
            self._let_go(target)

    def target(self, name: str) -> Target:
        """The target of this name, made when it is first wanted."""
        if name not in self._targets:
            self._targets[name] = self._build(self.managers[name])
        return self._targets[name]

    def free_target(self, name: str) -> Target:
        """The target, unless a thread still waits for its answer: it serves one at a time."""
        if name in self._busy:
            raise Unreachable("no answer yet")
        return self.target(name)

    def ask(self, work: Callable[[Target], T], names: Iterable[str] | None = None) -> Iterator[Answer[T]]:
        """Ask all, or those named, at once. Answers come in the config's order, but nobody's is kept back for more than
        HELD seconds, because one that ought to come before it is late."""
        chosen = list(self.managers if names is None else names)
        if len(chosen) == 1:
            yield self._answer(chosen[0], work)
            return
        answers = self._ask_at_once(chosen, work)
        awaited = list(range(len(chosen)))
        held: dict[int, Answer[T]] = {}
        due = float("inf")
        while awaited:
            try:
                number, answer = answers.get(_left(due))
            except queue.Empty:
                ready = sorted(held)
            else:
                held[number] = answer
                due = min(due, time.monotonic() + HELD)
                ready = list(takewhile(held.__contains__, awaited))
            for number in ready:
                awaited.remove(number)
                yield held.pop(number)
            due = due if held else float("inf")

    def stream(self, work: Callable[[Target], Iterator[T]], tick: float | None = None) -> Iterator[Sequence[Answer[T]]]:
        """What all say, each for as long as it has something to say: what has come since the last look, and nothing
        where nothing came for `tick` seconds. Whoever fails has said its last."""
        arrivals: _Arrivals[T] = _Arrivals()
        left = set(range(len(self.managers)))
        for number, name in enumerate(self.managers):
            threading.Thread(target=self._say_all, args=(number, name, work, arrivals), daemon=True).start()
        while left:
            found: list[Answer[T]] = []
            with suppress(queue.Empty):
                wait = tick
                while True:
                    number, answer = arrivals.get(wait)
                    wait = 0.0
                    if answer.value is None:
                        left.discard(number)
                    if answer.value is not None or answer.error is not None:
                        found.append(answer)
                    if not left:
                        break
            yield found

    def _say_all(self, number: int, name: str, work: Callable[[Target], Iterator[T]], arrivals: _Arrivals[T]) -> None:
        try:
            with self._asked(name) as target:
                for value in work(target):
                    arrivals.put(number, Answer(name, value))
            arrivals.put(number, Answer(name))
        except SjsError as error:
            arrivals.put(number, Answer(name, error=error))
        except BaseException as error:  # noqa: BLE001 (raised again where the answer is awaited)
            arrivals.put(number, error)

    def lookup(self, key: str) -> list[Answer[Sequence[str]]]:
        """Where the parts of a key went (`Target.lookup`). Whoever cannot say is an error: there they may be."""
        with self._starting_nobody():
            return [_none_if_no_queue(answer) for answer in self.ask(lambda target: target.lookup(key))]

    def told(self, work: Callable[[Target], T]) -> list[Answer[T]]:
        """What all say, once all have answered. Nobody is started for it; whoever sleeps is at the next question."""
        with self._starting_nobody():
            found = list(self.ask(work))
        for name, target in self._targets.items():
            word = start_word(self.managers[name], self._start, self._max_jobs)
            reach.let_start(target, self.managers[name], word)
        return found

    def reports(self, of: Sequence[str] | None = None) -> list[Report]:
        """How these are, or all but those of the overflow, for `any` to choose. Who fails, or is later than need be, is
        passed over with a notice.

        A manager is started only if none that runs may take jobs, so that one job does not wake all machines.
        """
        spare = () if self.overflow is None else self.overflow.names
        wanted = list(of) if of is not None else [name for name in self.managers if name not in spare]
        began = time.monotonic()
        with self._starting_nobody():
            found = self._gather(wanted)
        asleep = [one.name for one in found.values() if type(one.error) in (NoManager, NoQueue)]
        if self._start and not any(one.value and one.value.max_running for one in found.values()):
            for name in asleep:
                target = self._targets.pop(name, None)
                if target is not None:  # else there is not even a place where it could be
                    target.close()
            found.update(self._gather(asleep))
        for name in wanted:
            if name not in found or found[name].error:
                late = f"no answer yet, {time.monotonic() - began:.1f} seconds after it was asked"
                self.notice(name, f"passed over: {found[name].error if name in found else late}")
        reports = health.judged([one.value for one in found.values() if one.value])
        self._tell_sick(reports)
        return reports

    def _tell_sick(self, reports: Sequence[Report]) -> None:
        others = any(not one.sick and one.max_running and not one.drained for one in reports)
        how = "passed over where others can take jobs" if others else "it gets jobs, for nobody else can take any, but"
        for one in reports:
            if one.sick:
                self.notice(one.name, f"{how}: {one.sick}; once it is mended: submit {one.name} undrain")

    @contextmanager
    def _starting_nobody(self) -> Iterator[None]:
        start, self._start = self._start, ""
        try:
            yield
        finally:
            self._start = start

    def _gather(self, names: Sequence[str]) -> dict[str, Answer[Report]]:
        """Reports, until all have answered or the others are late after the first with a free slot."""
        began = time.monotonic()
        answers = self._ask_at_once(names, lambda target: target.report().report)
        found: dict[str, Answer[Report]] = {}
        deadline = float("inf")
        while len(found) < len(names):
            try:
                _, answer = answers.get(_left(deadline))
            except queue.Empty:
                break
            found[answer.name] = answer
            if answer.value and answer.value.free:
                deadline = min(deadline, too_late(began, time.monotonic()))
        return {name: found[name] for name in names if name in found}

    def _ask_at_once(self, names: Sequence[str], work: Callable[[Target], T]) -> _Arrivals[T]:
        """Ask in threads that nobody waits for at the end: whoever hangs there must not keep a person from leaving."""
        todo: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        arrivals: _Arrivals[T] = _Arrivals()
        for item in enumerate(names):
            todo.put(item)

        def turn() -> None:
            while True:
                try:
                    number, name = todo.get_nowait()
                except queue.Empty:
                    return
                relief = threading.Timer(SLOW, start)
                relief.daemon = True
                if not todo.empty():
                    relief.start()
                try:
                    arrivals.put(number, self._answer(name, work))
                except BaseException as error:  # noqa: BLE001 (raised again where the answer is awaited)
                    arrivals.put(number, error)
                relief.cancel()

        def start() -> None:
            threading.Thread(target=turn, daemon=True).start()

        for _ in range(min(MAX_THREADS, len(names))):
            start()
        return arrivals

    def _answer(self, name: str, work: Callable[[Target], T]) -> Answer[T]:
        try:
            with self._asked(name) as target:
                return Answer(name, work(target))
        except SjsError as error:
            return Answer(name, error=error)

    @contextmanager
    def _asked(self, name: str) -> Iterator[Target]:
        """The target, for this thread until it has answered."""
        with self._lock:
            if self._over.is_set() or name in self._busy:
                raise Unreachable("no answer yet")
            self._busy.add(name)
        try:
            yield self.target(name)
        finally:
            with self._lock:
                self._busy.discard(name)
                late = self._targets.get(name) if self._over.is_set() else None
            if late is not None:
                self._let_go(late)

    def _build(self, manager: Manager) -> Target:
        start = start_word(manager, self._start, self._max_jobs)
        return reach.target(manager, start, os.environ, lambda line: self.notice(manager.name, line), self._ask)

    def _let_go(self, target: Target) -> None:
        """It is of no more use here."""
        target.close()


def start_word(manager: Manager, start: str, max_jobs: int | None = None) -> str:
    """What the header line says about starting."""
    count = max_jobs if max_jobs is not None else manager.default_max_jobs
    return f"{start}={'' if count is None else count}" if start else "-"


def too_late(began: float, first: float) -> float:
    """When to ask no longer, once the first has answered: the others may take as long again. What made that one slow,
    a line, a server or this machine, makes others slow, too."""
    return first + max(LATE, first - began)


def _none_if_no_queue(answer: Answer[Sequence[str]]) -> Answer[Sequence[str]]:
    return Answer(answer.name, ()) if isinstance(answer.error, NoQueue) else answer


def _left(deadline: float) -> float | None:
    """How long to wait; None is for ever."""
    return None if deadline == float("inf") else max(0.0, deadline - time.monotonic())


class _Arrivals(Generic[T]):
    """Answers from threads, with their numbers, as they come."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[int, Answer[T] | BaseException]] = queue.SimpleQueue()

    def put(self, number: int, answer: Answer[T] | BaseException) -> None:
        self._queue.put((number, answer))

    def get(self, timeout: float | None = None) -> tuple[int, Answer[T]]:
        """The next one; queue.Empty when none comes in time."""
        number, answer = self._queue.get(timeout=timeout)
        if isinstance(answer, BaseException):
            raise answer
        return number, answer
