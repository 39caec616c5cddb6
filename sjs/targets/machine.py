"""A machine on which a manager is or could be, over any transport: what it is asked besides the queue.

Nothing is asked twice here: what was begun may have been done. Who is above says so.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sjs import wire
from sjs.answers import Boot, Check, Exit, Facts, Gate, Occupancy, Occupied, Piece, Remains
from sjs.core import metrics
from sjs.core.job import Job, Range
from sjs.core.metrics import Measured, Number, Values
from sjs.departure import Departed
from sjs.errors import LinkLost, Refused
from sjs.protocols import Progress, Transport
from sjs.snapshots.store import Store
from sjs.targets import streaming
from sjs.targets.bringing import bring
from sjs.targets.fetching import Fetching
from sjs.targets.pipeline import PATIENCE
from sjs.targets.replies import understood
from sjs.targets.sending import Sending, Source, Wish
from sjs.targets.session import Door, Message, Session, open_session, soon
from sjs.trees.entries import Entry
from sjs.trees.folder import Folder
from sjs.trees.landing import Landing
from sjs.trees.tally import Tally, Watch
from sjs.values import replace

SLOW = 60.0
"""Seconds that an errand may take which asks slow tools."""

UPGRADE = 120.0
"""Seconds until both codes have done all that they wait for."""

SLICE = 3600.0
"""Seconds of one wait: a command may print nothing for as long as it likes, and a broken link is told by what carries
it."""


class DistantMachine:
    """Opened by the first errand, kept open until closed."""

    def __init__(self, transport: Transport, door: Door) -> None:
        self._transport = transport
        self._door = door
        self._session: Session | None = None
        self._has_departed = False

    def facts(self) -> Facts:
        session = self._opened()
        found = {**session.hello, **session.call("facts", SLOW)}
        began = time.time(), time.monotonic()
        theirs = session.call("time")
        delay = time.monotonic() - began[1]
        ahead = float(theirs["time"]) - began[0] - delay / 2
        noise = session.noise.decode("utf-8", "replace")
        return replace(understood(_facts, found), delay=delay, ahead=ahead, noise=noise)

    def checks(self, settings: Mapping[str, Any]) -> Sequence[Check]:
        replies = [self._opened().call("checks", SLOW)]
        if self._door.kind:
            replies.append(self._opened().call(self._door.kind, SLOW, **settings))
        found = [one for reply in replies for one in understood(lambda reply: list(reply["checks"]), reply)]
        return [Check(*map(str, one)) for one in found]

    def slurm_queue(self) -> Occupancy:
        return understood(_occupancy, self._opened().call("slurm_queue", SLOW))

    @property
    def program(self) -> str:
        return str(self._opened().hello.get("program", ""))

    def upgrade(self) -> None:
        self._opened().call("upgrade", UPGRADE)

    def boot(self, on: bool) -> Boot:
        reply = self._opened().call("boot", SLOW, remove=not on)
        return understood(_boot, reply)

    def gate(self, name: str, key: str, options: Sequence[str], install: bool) -> Gate:
        reply = self._opened().call("gate", name=name, key=key, options=list(options), install=install)
        return understood(_gate, reply)

    def close_gate(self, name: str) -> Gate:
        return understood(_gate, self._opened().call("gate", name=name, remove=True))

    def run(self, argv: Sequence[str]) -> Iterator[Piece | Exit]:
        for message in self._streamed("run", argv=list(argv)):
            yield _piece(message) if "stream" in message.body else understood(_exit, message.body)

    def deploy(self, url: str, pull: bool, make: bool) -> Iterator[Piece]:
        for message in self._streamed("deploy", url=url, git=pull, make=make):
            if "stream" in message.body:
                yield _piece(message)

    def send(self, path: str, to: str, watch: Watch, delete: bool = False, dry: bool = False) -> Tally:
        with contextlib.closing(Source(path)) as source, _goes_on():
            return Sending(self._opened(), source, Wish(to, dry, delete), watch).run()

    def fetch(
        self, jobs: Sequence[Job], globs: Sequence[str], to: str, watch: Watch, dry: bool = False
    ) -> Mapping[int, Tally]:
        with contextlib.ExitStack() as stack:
            landing = None
            if not dry or os.path.isdir(to):
                landing = Landing(stack.enter_context(Folder(to, make=not dry)), dry)
            stack.enter_context(_goes_on())
            return Fetching(self._opened(), landing, watch).run(jobs, globs)

    def bring(self, store: Store, digest: str, progress: Progress) -> None:
        bring(self._opened(), store, digest, progress)

    def results(self, attempts: Sequence[tuple[int, int]], pattern: str | None = None) -> Measured:
        found: dict[int, Mapping[str, Number]] = {}
        troubles: list[tuple[int, str]] = []
        left = list(attempts)
        while left:
            reply = self._opened().call("results", SLOW, attempts=left[: wire.MAX_PAGE], pattern=pattern)
            part, done = understood(_measured, reply)
            found.update(part.values)
            troubles += part.troubles
            left = left[max(1, done) :]
        return Measured(found, troubles)

    def left(self, attempts: Sequence[tuple[int, int]], name: str) -> Iterator[bytes | None]:
        """What these have left under that name, in their order."""
        todo, begun = deque(list(one) for one in attempts), bytearray()
        while todo:
            page = list(islice(todo, wire.MAX_PAGE))
            session = self._opened()
            message = session.answer(session.post("left", attempts=page, name=name, offset=len(begun)), SLOW)
            data = memoryview(message.payload)
            is_stuck = not data
            for size in understood(lambda body: list(body["sizes"]), message.body):
                wanted = 0 if size is None else max(0, size - len(begun))
                begun += data[:wanted]
                if len(data) < wanted:
                    break
                data = data[wanted:]
                yield None if size is None else bytes(begun)
                todo.popleft()
                begun.clear()
                is_stuck = False
            if is_stuck:
                raise Refused(f"{name} of job {todo[0][0]} became shorter while it was read")

    def remains(self, job: int, attempt: int) -> Remains:
        return streaming.remains(self._opened(), job, attempt)

    def listed(self, at: str, top: str, trouble: Callable[[str, str], None]) -> Iterator[Entry]:
        return streaming.listed(self._opened(), at, top, trouble)

    def contents(self, at: str, files: Sequence[Entry]) -> Generator[streaming.Came, None, None]:
        try:
            yield from streaming.Contents(self._opened(), at, files)
        except BaseException:  # also of who has had enough: what is under way is nobody's answer any more
            self.close()
            raise

    def discard(self, what: str, attempts: Sequence[tuple[int, int]]) -> None:
        for start in range(0, len(attempts), wire.MAX_PAGE):
            self._opened().call("discard", PATIENCE, what=what, attempts=attempts[start : start + wire.MAX_PAGE])

    def series(
        self, metric: str, jobs: Sequence[Range] | None, timeout: float, pattern: str | None = None
    ) -> Sequence[Values]:
        asked = {"metric": metric, "jobs": jobs, "timeout": int(timeout), "pattern": pattern}
        return understood(_series, self._opened().call("series", timeout + SLOW, **asked))

    def _streamed(self, op: str, **fields: Any) -> Iterator[Message]:
        """What is printed, and at last the reply."""
        session = self._opened()
        number = session.post(op, **fields)
        while True:
            try:
                message = session.next((number,), soon(SLICE))
            except TimeoutError:
                continue
            yield message
            if "stream" not in message.body:
                return

    def hang_up(self) -> None:
        """Whoever waits here, in another thread, is to wait no more. It is of no more use."""
        self._has_departed = True
        session = self._session
        if session is not None:
            session.stream.hang_up()

    def close(self) -> None:
        """Let the session go; what runs in it is ended."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _opened(self) -> Session:
        if self._session is None:
            self._session = open_session(self._transport, self._door)
        if self._has_departed:  # be it while it was opened
            raise Departed("whoever asked has gone")
        return self._session


@contextlib.contextmanager
def _goes_on() -> Iterator[None]:
    """Say of a link that broke that nothing is lost by it."""
    try:
        yield
    except LinkLost as error:
        raise type(error)(error.message, "the same command goes on where it stopped") from None


def _measured(reply: dict[str, Any]) -> tuple[Measured, int]:
    """What attempts say, and how many of those asked about were looked at."""
    found = {
        int(job): {str(name): metrics.from_wire(value) for name, value in values.items()}
        for job, values in reply["found"]
    }
    return Measured(found, [(int(job), str(why)) for job, why in reply["troubles"]]), int(reply["done"])


def _occupancy(reply: dict[str, Any]) -> Occupancy:
    rows = [
        Occupied(
            str(where), float(cpus), int(mem), {str(kind): int(count) for kind, count in gpus.items()}, *map(int, jobs)
        )
        for where, cpus, mem, gpus, *jobs in reply["rows"]
    ]
    return Occupancy(sorted(rows, key=lambda row: (-row.total, row.flavor, row.cpus, row.mem)), by="partition")


def _series(reply: dict[str, Any]) -> list[Values]:
    return [
        Values(int(job), int(attempt), str(stream), int(first), [metrics.from_wire(value) for value in values])
        for job, attempt, stream, first, values in reply["series"]
    ]


def _facts(reply: dict[str, Any]) -> Facts:
    return Facts(
        host=str(reply["host"]),
        version=str(reply["version"]),
        python=str(reply["python"]),
        user=str(reply["user"]),
        cpus=int(reply["cpus"]),
        load=float(reply["load"]),
        mem=int(reply["mem"]),
        mem_free=int(reply["mem_free"]),
        gpus=[dict(one) for one in reply["gpus"]],
        disk=dict(reply["disk"]),
    )


def _boot(reply: dict[str, Any]) -> Boot:
    return Boot([str(one) for one in reply["by"]], str(reply.get("name", "")), str(reply.get("lacking", "")))


def _gate(reply: dict[str, Any]) -> Gate:
    return Gate(str(reply["line"]), str(reply["path"]), bool(reply["changed"]))


def _piece(message: Message) -> Piece:
    return Piece(str(message.body["stream"]), message.payload)


def _exit(reply: dict[str, Any]) -> Exit:
    status, signal = reply.get("exit"), reply.get("signal")
    return Exit(None if status is None else int(status), None if signal is None else int(signal))
