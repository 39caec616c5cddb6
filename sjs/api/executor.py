"""A `concurrent.futures.Executor` whose workers are the machines: each call is a job of its own.

Calls are handed in by a thread that is there while there are any to hand in: what comes while it waits for a machine
goes together with the next request. The fleet's watchers hear of their ends, and what has come is collected at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sjs.api import calls
from sjs.api.calls import CallFailed, Packing, Pickled
from sjs.api.fleet import Fleet, View
from sjs.api.handing import HandingIn, told
from sjs.api.jobs import Job
from sjs.api.options import JobOptions, terms
from sjs.api.runner import ANSWER
from sjs.api.watching import Listener
from sjs.core import job as core
from sjs.core.lifecycle import CANCELLED, LIVE
from sjs.errors import Refused, SjsError, UsageError
from sjs.protocols import Target
from sjs.routing import Choice, Notice
from sjs.values import replace

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 100
"""Answers that are asked for together: all of them are held in memory."""


class Call(futures.Future[T]):
    """A future that knows its job, once that was handed in."""

    def __init__(self, executor: Executor) -> None:
        super().__init__()
        self._executor = executor
        self.job: Job | None = None

    def cancel(self, running: bool = False) -> bool:
        """Have it not run, if it has not started; with `running`, end it in any case. False if that is too late."""
        if not self.done():
            self._executor._cancel([self], running)
        return self.cancelled()

    def running(self) -> bool:
        """Whether its job runs: the machine is asked."""
        return not self.done() and self.job is not None and self.job.state in LIVE


class Executor(futures.Executor, Listener):
    """Runs functions on the machines of a fleet: on whoever is best, or on the one target that a view means.

    `python` is what runs them there, `options` are those of any job. The function, its arguments and its answer travel
    by cloudpickle; a function of a module goes by its name, so the module has to be there (`snapshot=True` brings the
    code that is here). What it prints is the job's output.
    """

    def __init__(
        self, view: View | Fleet, *, python: str | Sequence[str] = "python3", **options: Unpack[JobOptions]
    ) -> None:
        view = view.any if isinstance(view, Fleet) else view
        if "key" in options:
            raise UsageError("an executor hands in more than once: a key cannot name that", "leave it out")
        said = terms(options, view._sessions.notice)
        self._view = view
        self._home = view._only(said.target)
        self._choice = _answering(view._choice, view._sessions.notice)
        self._packing = Packing.of(python, said, self._choice.managers[0])
        self._changed = threading.Condition()
        self._waiting: dict[Call[Any], core.Spec] = {}
        self._calls: set[Call[Any]] = set()
        self._open = 0
        self._sends = False
        self._is_shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """Have it called; where what was given cannot travel, the future has the error."""
        return self._begin(calls.label_of(fn), lambda: (calls.dumps(fn), calls.dumps((args, kwargs))))

    def map(
        self, fn: Callable[..., T], /, *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """The values of calls in their order; `chunksize` calls are one job."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        deadline = None if timeout is None else time.monotonic() + timeout
        label, function = calls.label_of(fn), calls.dumps(fn)
        rows = zip(*iterables, strict=False)
        begun: list[Call[list[T]]] = [
            self._begin(label, partial(_row, function, some), each=True)
            for some in iter(lambda: list(islice(rows, chunksize)), [])
        ]
        return _one_by_one(self._results(begun, deadline))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. `cancel_futures`: those that have not started are not run."""
        with self._changed:
            self._is_shut = True
            left = list(self._calls)
        if cancel_futures:
            self._cancel(left)
        del left
        if wait:
            with self._changed:
                self._changed.wait_for(lambda: not self._open)

    def _begin(self, label: str, pickle: Callable[[], Pickled], each: bool = False) -> Call[Any]:
        with self._changed:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
        try:
            spec = self._packing.spec(label, pickle(), each)
        except Exception as error:  # noqa: BLE001 (whoever asks for the result hears of it, as with processes)
            failed: Call[Any] = Call(self)
            failed.set_exception(error)
            return failed
        call: Call[Any] = Call(self)
        with self._changed:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._calls.add(call)
            self._open += 1
            self._waiting[call] = spec
            if not self._sends:
                self._sends = True
                # No daemon: what was submitted is handed in before the program ends.
                threading.Thread(target=self._send, name="sjs executor").start()
        return call

    def _send(self) -> None:
        while True:
            with self._changed:
                batch, self._waiting = self._waiting, {}
                if not batch:
                    self._sends = False
                    return
            self._hand_in(batch)

    def _hand_in(self, batch: Mapping[Call[Any], core.Spec]) -> None:
        sessions, specs = self._view._sessions, batch.values()
        work = HandingIn(sessions, self._packing.terms)
        why: BaseException = CallFailed("nobody has taken the call")
        try:
            if self._home:
                work.to_one(self._home, specs)
            else:
                for failure in work.to_best(self._choice, self._view._word, specs):
                    why = told(failure)
        except BaseException as error:  # noqa: BLE001 (whoever waits for a call hears of it)
            why = error
        placed: dict[str, dict[int, Call[Any]]] = {}
        order = list(batch)
        with self._changed:
            for index, name, number in work.taken:
                order[index].job = Job(sessions, name, number)
                placed.setdefault(name, {})[number] = order[index]
            self._changed.notify_all()
        missed = [call for call in batch if call.job is None]
        if missed:  # also said aloud: nobody may ask for the results, and the program may be at its end
            sessions.notice(self._view._word, f"{len(missed)} call(s) not handed in: {why}")
        for call in missed:
            self._settle(call, None, why)
        for name, there in placed.items():
            self._listen(name, there)

    def _listen(self, name: str, there: Mapping[int, Call[Any]]) -> None:
        try:
            self._view._sessions.watcher(name).add(self, there)
        except (SjsError, RuntimeError) as error:  # the latter where the program ends, and no thread can begin
            self.failed(list(there.values()), error)

    def ended(self, target: Target, jobs: Sequence[tuple[Call[Any], core.Job]]) -> None:
        """Collect the answers of calls whose jobs have ended."""
        for start in range(0, len(jobs), AT_ONCE):
            some = jobs[start : start + AT_ONCE]
            began = [(job.id, job.attempt) for _, job in some if job.attempt]
            try:
                came = dict(zip(began, target.left(began, ANSWER) if began else (), strict=True))
            except Refused as error:
                self.failed([call for call, _ in some], error)
                continue
            for call, job in some:
                call.job = Job(self._view._sessions, target.name, job.id, job)
                if job.end is not None and job.end.reason == CANCELLED:
                    self._give_up(call)
                else:
                    self._settle(call, *calls.answer(job, target.name, came.get((job.id, job.attempt))))

    def failed(self, keys: Sequence[Call[Any]], error: Exception) -> None:
        """Nobody will hear how they end."""
        for call in keys:
            self._settle(call, None, error)

    def _settle(self, call: Call[Any], value: Any, error: BaseException | None) -> None:
        with self._closing(call) as is_open:
            if is_open and call.set_running_or_notify_cancel():
                if error is None:
                    call.set_result(value)
                else:
                    call.set_exception(error)

    def _give_up(self, call: Call[Any]) -> None:
        with self._closing(call) as is_open:
            if is_open:
                futures.Future.cancel(call)
                call.set_running_or_notify_cancel()

    @contextmanager
    def _closing(self, call: Call[Any]) -> Iterator[bool]:
        """Whether it is for this thread to say what has become of the call."""
        with self._changed:
            is_open = call in self._calls
            self._calls.discard(call)
        try:
            yield is_open
        finally:
            with self._changed:
                self._open -= is_open
                self._changed.notify_all()

    def _cancel(self, some: Sequence[Call[Any]], running: bool = False) -> None:
        """Cancel those that have not started, or all, with a request or two for each target."""
        with self._changed:
            fresh = {call for call in some if self._waiting.pop(call, None) is not None}
            self._changed.wait_for(lambda: all(call.job or call.done() or call in fresh for call in some))
        for call in fresh:
            self._give_up(call)
        places: dict[str, dict[int, Call[Any]]] = {}
        for call in some:
            if call.job is not None and not call.done():
                places.setdefault(call.job.target, {})[call.job.id] = call
        for name, there in places.items():
            ranges = core.ranges(sorted(there))
            gone = self._view._sessions.call(name, partial(_ended, jobs=ranges, running=running))
            ended = [call for number, call in there.items() if core.contains(gone, number)]
            for call in ended:
                self._give_up(call)
            with self._changed:  # where the thread that hears of ends was faster
                self._changed.wait_for(lambda ended=ended: all(call.done() for call in ended))  # type: ignore[misc]

    def _results(self, begun: list[Call[list[T]]], deadline: float | None) -> Iterator[list[T]]:
        begun.reverse()
        try:
            while begun:
                left = None if deadline is None else deadline - time.monotonic()
                yield begun.pop().result(left)
        finally:
            self._cancel(begun)


def _one_by_one(lists: Iterable[list[T]]) -> Iterator[T]:
    """What is in them; none is kept beyond its turn."""
    for some in lists:
        some.reverse()
        while some:
            yield some.pop()


def _row(function: bytes, some: Sequence[Any]) -> Pickled:
    """A function that was pickled once, and the arguments of some calls."""
    return function, calls.dumps((some, {}))


def _ended(target: Target, jobs: Sequence[core.Range], running: bool) -> Sequence[core.Range]:
    """End those that have not started, or all; which these were. Who is held can not start meanwhile."""
    if running:
        done = target.cancel(jobs)
        return [*done.cancelled, *done.stopping]
    held = target.change("hold", jobs)
    return target.cancel(held).cancelled if held else []


def _answering(choice: Choice, notice: Notice) -> Choice:
    """Those whose jobs can leave an answer: in a folder of their own, on a machine that can be asked for it."""
    found = [one for one in choice.managers if one.has_machine]
    for one in choice.managers:
        if not one.has_machine:
            why = f"of a call's job a {one.kind} target keeps no answer"
            if not found:
                raise UsageError(f"{one.name}: {why}", "hand in commands there, and have them leave what they find")
            notice(one.name, f"passed over: {why}")
    names = {one.name for one in found}
    overflow = choice.overflow
    spare = tuple(name for name in overflow.names if name in names) if overflow is not None else ()
    kept = replace(overflow, names=spare) if overflow is not None and spare else None
    return replace(choice, managers=found, overflow=kept)
