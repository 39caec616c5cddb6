"""What machines are asked: how they are; of jobs, what they have printed, what they wait for. A job that nobody has yet
has printed nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Row

from sjs.answers import Details, Status
from sjs.api.jobs import Job
from sjs.core.lifecycle import FINAL, QUEUED
from sjs.departure import Departure
from sjs.errors import SjsError, Unreachable, UsageError
from sjs.gateway.desk import Desk
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records import courses
from sjs.gateway.records.jobs import HELD
from sjs.gateway.threads import Threads
from sjs.gateway.waiting import awaited

T = TypeVar("T")

FOLLOWED, FOLLOWED_EACH = 64, 16
"""Outputs that are followed at a time: each has a session of its own with its machine."""


SILENCE = 5.0
"""Seconds after which a target that has not said how it is counts as one that can not be reached."""

NAMED = 20
"""Targets of which it is said how they are, where a job waits for one of many."""


class NoTarget(UsageError):
    """Nobody is called so."""

    code = "no_target"


class Inquiries:
    """Who asks is known to be allowed: whoever has a job's row may know of the job."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._followers = Threads(FOLLOWED, FOLLOWED_EACH)
        self._asking: dict[str, asyncio.Future[Status | SjsError]] = {}

    async def size(self, row: Row[Any], stream: str, attempt: int | None) -> int | None:
        """How many bytes it has printed so far; None where only who reads them can know."""
        if row.target is None:
            return 0
        return await self._of(row, lambda job: job.size(stream, attempt))

    async def printed(
        self, row: Row[Any], streams: Sequence[str], attempt: int | None, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """What it has printed, from so many bytes on, as many as that."""
        if row.target is None:
            return
        left = length
        job = self._desk.office.job(row.target, row.number)
        begin = partial(job.pieces, streams, attempt=attempt, offset=offset)
        async with aclosing(self._desk.questions.stream(row.target, begin)) as pieces:
            async for piece in pieces:
                data = piece.data if left is None else piece.data[:left]
                left = None if left is None else left - len(data)
                yield data
                if left == 0:
                    return

    def followed(
        self, token: Token, row: Row[Any], streams: Sequence[str], attempt: int | None, offset: int
    ) -> AsyncGenerator[bytes, None]:
        """The same, until the job has ended, or the token is good no more. Busy where too many are followed, which may
        also come later."""
        self._followers.check(row.target or "")
        return self._follow(token, row, streams, attempt, offset)

    async def _follow(
        self, token: Token, row: Row[Any], streams: Sequence[str], attempt: int | None, offset: int
    ) -> AsyncGenerator[bytes, None]:
        if row.state == QUEUED:
            row = await awaited(self._desk, token, row.id, lambda row: row.state != QUEUED)
        if row.target is None:
            return
        loop, heartbeat = asyncio.get_running_loop(), self._desk.settings.heartbeat
        job = self._desk.office.job(row.target, row.number)
        departure = Departure()
        how: dict[str, Any] = {"attempt": attempt, "offset": offset, "departure": departure}
        begin = partial(job.pieces, streams, follow=True, signs=True, **how)
        async with aclosing(self._followers.stream(row.target, begin, departure)) as pieces:
            late = loop.time() + heartbeat
            async for piece in pieces:
                if loop.time() >= late:
                    if not await self._desk.is_good(token):
                        return
                    late = loop.time() + heartbeat
                if piece.data:
                    yield piece.data

    async def why(self, row: Row[Any]) -> Sequence[str]:
        """In words, what it waits for, or how it has ended."""
        if row.batch == HELD and row.state == QUEUED:
            sweep = await self._desk.read(partial(courses.of, job=row.id))
            return [f"sweep {sweep.name} has {sweep.most} jobs at a time (max_running)"] if sweep is not None else []
        if row.target is not None:
            return await self._of(row, lambda job: job.why())
        if row.state in FINAL:
            return [row.detail or f"it is {row.state}"]
        names = self._desk.targets(row.word)
        found = await asyncio.gather(*(self.status(name) for name in names[:NAMED]))
        said = [f"{name}: {_why_not(one)}" for name, one in zip(names, found, strict=False)]
        return [f"nobody has taken it yet of those whom '{row.word}' means", *said]

    async def details(self, row: Row[Any]) -> Details | None:
        """All that its target knows of it; None as long as it has none."""
        return None if row.target is None else await self._of(row, lambda job: job.details())

    async def status(self, name: str) -> Status | SjsError:
        """How a target is, or why it does not say so. Who asks while another one waits for the answer gets that."""
        asking = self._asking.get(name)
        if asking is None:
            asking = asyncio.ensure_future(self._status(name))
            self._asking[name] = asking
            asking.add_done_callback(lambda done: self._asking.pop(name, None))
        try:
            return await asyncio.wait_for(asyncio.shield(asking), SILENCE)
        except asyncio.TimeoutError:
            return Unreachable(f"no answer within {SILENCE:g} seconds")

    async def _status(self, name: str) -> Status | SjsError:
        try:
            return await self._desk.questions.ask(name, lambda: self._desk.office.report(name))
        except SjsError as error:
            return error

    async def _of(self, row: Row[Any], question: Callable[[Job], T]) -> T:
        job = self._desk.office.job(row.target, row.number)
        return await self._desk.questions.ask(row.target, lambda: question(job))


def _why_not(found: Status | SjsError) -> str:
    """How a target is, to who waits for it."""
    if isinstance(found, SjsError):
        return found.message
    report = found.report
    trouble = found.trouble or ("nothing new starts there" if found.drained or found.paused else "")
    return trouble or f"{report.running} of {report.max_running} run there, {report.queued} wait"
