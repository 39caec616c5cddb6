"""A job, wherever it is."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from sjs.answers import Cancelled, Details, Piece
from sjs.api.sessions import Sessions
from sjs.api.watching import Listener, moved_to
from sjs.core import job as core
from sjs.core.job import Range
from sjs.core.lifecycle import FINAL, LIVE
from sjs.errors import SjsError
from sjs.protocols import Target

STREAMS = ("out", "err")


class Job:
    """One job. Whatever is asked of it is asked now; once it has ended, its record stays as it is.

    A job that moves to another queue has another target and another id from then on. `await job` is its end.
    """

    def __init__(self, sessions: Sessions, target: str, number: int, record: core.Job | None = None) -> None:
        self._sessions = sessions
        self._target = target
        self._id = number
        self._record = record

    @property
    def target(self) -> str:
        """The name of the target where it is."""
        return self._target

    @property
    def id(self) -> int:
        """Its id there."""
        return self._id

    def __repr__(self) -> str:
        return f"<sjs.Job {self._target}:{self._id}>"

    @property
    def record(self) -> core.Job:
        """All that is known of it now."""
        while self._record is None or self._record.state not in FINAL:
            found = next(iter(self._sessions.call(self._target, lambda target: [*target.list(self._ranges)])))
            self._learn(self._target, found)
            if self._record is found:
                return found
        return self._record

    @property
    def state(self) -> str:
        """`queued`, `running`, `succeeded`, …: see docs/lifecycle.md."""
        return self.record.state

    @property
    def exit_code(self) -> int | None:
        """Its exit status, 128 + N where signal N has ended it; None as long as there is none."""
        end = self.record.end
        if end is None:
            return None
        return 128 + end.signal if end.signal is not None else end.exit

    def done(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL

    def future(self) -> Future[core.Job]:
        """Its end: a future for `concurrent.futures.wait`, `as_completed` or `asyncio.wrap_future`, with its record."""
        found: Future[core.Job] = Future()
        if self._record is not None and self._record.state in FINAL:
            found.set_result(self._record)
        else:
            self._sessions.watcher(self._target).add(_END, {self._id: (self, found)})
        return found

    def wait(self, timeout: float | None = None) -> str:
        """Wait for its end; the state in which it has ended. TimeoutError when the seconds are over."""
        try:
            return self.future().result(timeout).state
        except TimeoutError:
            raise TimeoutError(f"{self!r} has not ended within {timeout:g} seconds") from None

    async def wait_async(self) -> str:
        """The same, while other tasks go on."""
        future = await asyncio.to_thread(self.future)  # which may have to log in
        return (await asyncio.wrap_future(future)).state

    def __await__(self) -> Generator[Any, None, str]:
        return self.wait_async().__await__()

    def stdout(self) -> str:
        """What it has printed so far."""
        return self.output("out").decode("utf-8", "replace")

    def stderr(self) -> str:
        """What it has printed so far on its stderr."""
        return self.output("err").decode("utf-8", "replace")

    def output(self, stream: str = "out") -> bytes:
        """What it has printed so far, as it was; `stream` is "out" or "err"."""
        self._look()
        return self._sessions.call(
            self._target, lambda target: b"".join(piece.data for piece in target.read(self._id, (stream,)))
        )

    def size(self, stream: str = "out", attempt: int | None = None) -> int | None:
        """How many bytes it has printed so far; None where only who reads them can know."""
        self._look()
        return self._sessions.call(self._target, lambda target: target.size(self._id, stream, attempt))

    def pieces(self, streams: Sequence[str] = STREAMS, **how: Any) -> Iterator[Piece]:
        """What it prints, as it comes; `how`: what `Target.read` can be told."""
        self._look()
        with self._sessions.target(self._target) as target:
            yield from target.read(self._id, streams, **how)

    def logs(self, follow: bool = False, streams: Sequence[str] = STREAMS) -> Iterator[str]:
        """What it prints, line by line; with `follow`, until it has ended."""
        rest = dict.fromkeys(streams, b"")
        for piece in self.pieces(streams, follow=follow):
            *lines, rest[piece.stream] = (rest[piece.stream] + piece.data).split(b"\n")
            yield from (line.decode("utf-8", "replace") + "\n" for line in lines)
        yield from (last.decode("utf-8", "replace") for last in rest.values() if last)

    def details(self) -> Details:
        """Its record, earlier attempts, and who waits for it."""
        self._look()
        return self._sessions.call(self._target, lambda target: target.details(self._id))

    def why(self) -> Sequence[str]:
        """In words, what it waits for, or how it ended."""
        self._look()
        return self._sessions.call(self._target, lambda target: target.why(self._id))

    def cancel(self, grace: float | None = None) -> bool:
        """End it; False if it has ended already."""
        return bool(cancel([self], grace))

    def signal(self, number: int) -> bool:
        """Send it a signal; False if it does not run."""
        self._look()
        done = self._sessions.call(self._target, lambda target: target.cancel(self._ranges, signal=number))
        return bool(done.signalled)

    def hold(self) -> bool:
        """Keep it from starting; False if that is too late."""
        return self._change("hold")

    def release(self) -> bool:
        """Let it start again; False if it was not held."""
        return self._change("release")

    def pause(self) -> bool:
        """Have it stand still; False if it does not run."""
        return self._change("pause")

    def resume(self) -> bool:
        """Have it go on; False if it did not stand still."""
        return self._change("resume")

    def retry(self) -> bool:
        """Have it run again; False if it has not ended."""
        changed = self._change("again")
        if changed:
            self._record = None
        return changed

    @property
    def _ranges(self) -> Sequence[Range]:
        return [(self._id, self._id)]

    def _change(self, how: str) -> bool:
        self._look()
        return bool(self._sessions.call(self._target, lambda target: target.change(how, self._ranges)))

    def _look(self) -> None:
        """Know where it is; a job that runs, or has ended there, goes nowhere."""
        if self._record is None or self._record.state not in (*LIVE, *FINAL):
            self.record  # noqa: B018 (which asks)

    def _learn(self, target: str, record: core.Job) -> None:
        place = moved_to(record)
        if place is not None and self._sessions.config.find(place[0]) is not None:
            self._target, self._id = place
            self._record = None
        else:
            self._target, self._id, self._record = target, record.id, record


class _End(Listener):
    """Tells the futures of jobs."""

    def ended(self, target: Target, jobs: Sequence[tuple[tuple[Job, Future[core.Job]], core.Job]]) -> None:
        for (job, future), record in jobs:
            job._learn(target.name, record)
            if future.set_running_or_notify_cancel():
                future.set_result(record)

    def failed(self, keys: Sequence[tuple[Job, Future[core.Job]]], error: SjsError) -> None:
        for _, future in keys:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)


_END = _End()


def cancel(jobs: Iterable[Job], grace: float | None = None) -> list[Job]:
    """End jobs, with one request for each target; those that had not ended."""
    changed: list[Job] = []
    places: dict[str, dict[int, Job]] = {}
    for job in jobs:
        places.setdefault(job.target, {})[job.id] = job
    for name, there in places.items():
        sessions = next(iter(there.values()))._sessions
        done = sessions.call(name, partial(_cancelled, jobs=core.ranges(sorted(there)), grace=grace))
        found = [span for spans in (done.cancelled, done.stopping) for span in spans]
        changed += [job for number, job in there.items() if core.contains(found, number)]
    return changed


def _cancelled(target: Target, jobs: Sequence[Range], grace: float | None) -> Cancelled:
    return target.cancel(jobs, grace)
