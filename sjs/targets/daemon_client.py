"""A manager of ours as a target, over any transport.

A broken link is mended here: every request may be asked again, because jobs carry keys, output has offsets, and all
else says what is to be, not what is to change. Each outage has its seconds; whoever is above hears of it once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from sjs import spec_json, wire
from sjs.answers import (
    Accepted,
    Cancelled,
    Configured,
    Details,
    Filter,
    Members,
    Move,
    Piece,
    Sight,
    Status,
    SweepCounts,
    Waited,
)
from sjs.core.job import Job, Range, Spec
from sjs.departure import Departed, Departure
from sjs.errors import LinkLost, NoSnapshot, NotReached, Refused, SjsError, Unreachable
from sjs.protocols import Cluster, Envs, Machine, Transport
from sjs.targets import reading, replies
from sjs.targets.outage import Outage
from sjs.targets.posted import Posted
from sjs.targets.reading import Reading, size_of
from sjs.targets.replies import understood
from sjs.targets.session import ANSWER, Door, Session, open_session, soon
from sjs.values import fields

if TYPE_CHECKING:
    from sjs.targets.machine import DistantMachine

PATIENCE = 30.0
"""Seconds of one outage."""

FIRST_PATIENCE = 5.0
"""… of a manager that was never heard: it may just be restarting, but what cannot work should say so soon."""

FAREWELL = 10.0
"""Seconds for which a manager that stops is watched going."""

T = TypeVar("T")
Notice = Callable[[str], None]


class DaemonTarget:
    """One manager, reached through the `ask` program beside it."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        door: Door,
        errand_door: Door,
        notice: Notice,
        hooks: Mapping[str, str] | None = None,
        snapshots: str = "",
        filled: Callable[[Spec], Spec] = lambda spec: spec,
    ) -> None:
        """`hooks`: what the manager is to run for jobs that are handed in from here on; `snapshots`: the folder of
        the trees of files with which such jobs are to run; `filled`: adds to a job what else is to be said here."""
        self._name = name
        self._transport = transport
        self.door = door
        self._notice = notice
        self._hooks: dict[str, Any] = dict(hooks or {})
        self._snapshots = snapshots
        self._filled = filled
        self._session: Session | None = None
        self._errand_door = errand_door
        self._greeted = False
        self._trusts_others = True
        self._has_departed = False
        self._chunks: deque[Posted] = deque()
        self._known: set[str] = set()  # environments that were taken

    @property
    def name(self) -> str:
        return self._name

    def report(self, head: int = 0) -> Status:
        reply = self._persist(lambda session: {**session.hello, **session.call("report", head=head)})
        return understood(lambda reply: replies.status(self._name, reply), reply)

    def post(
        self,
        key: str,
        specs: Sequence[Spec],
        again: bool = False,
        if_free: bool = False,
        envs: Envs | None = None,
        via: str = "",
    ) -> None:
        more = {"again": again, "if_free": if_free, "via": via}
        flags = {name: said for name, said in more.items() if said}
        self._chunks.append(Posted(key, [spec_json.to_wire(self._filled(spec)) for spec in specs], flags, envs or {}))
        self._persist(self._send_chunks)

    def collect(self) -> Accepted:
        chunk = self._chunks[0]
        try:
            reply = self._taken(chunk)
        except Unreachable:
            raise
        except SjsError:
            self._chunks.popleft()
            raise
        self._chunks.popleft()
        self._known.update(chunk.envs)
        accepted = understood(replies.accepted, reply)
        if chunk.times > 1:
            when = "had been taken before" if accepted.repeated else "are taken now"
            self._notice(f"asked again by key: {accepted.count} job(s) {when}; nothing runs twice")
        return accepted

    def _taken(self, chunk: Posted) -> dict[str, Any]:
        """The reply to a chunk, once what it needs is there."""
        try:
            return self._persist(lambda session: self._chunk_reply(session, chunk))
        except NoSnapshot as error:
            self._bring(chunk, error)
        return self._persist(lambda session: self._chunk_reply(session, chunk))

    def _bring(self, chunk: Posted, error: NoSnapshot) -> None:
        """Have the snapshots of a refused chunk there; it and those sent after it are to be sent again, in order."""
        from sjs.snapshots.store import Store
        from sjs.targets.bringing import Slowness

        chunk.begun = False
        store, progress = Store(self._snapshots), Slowness(self._notice, "sending the snapshot")
        for digest in sorted({job["snapshot"]["id"] for job in chunk.jobs if "snapshot" in job}):
            if not self._snapshots or not store.use(digest):
                raise error
            self._persist(lambda _: self._machine.bring(store, digest, progress))  # noqa: B023 (it is called here)
        for one in self._chunks:
            one.session, one.times = None, 0

    @property
    def owes(self) -> bool:
        return any(chunk.begun for chunk in self._chunks)

    def lookup(self, key: str) -> Sequence[str]:
        pages = self._pages("lookup", {"key": key})
        return [part for reply in pages for part in understood(replies.parts, reply)]

    def environment(self, digest: str) -> Mapping[str, str]:
        return understood(replies.environment, self._call("environment", digest=digest))

    def configure(self, max_jobs: int | None = None, more: Mapping[str, Any] | None = None) -> Configured:
        maximum = {} if max_jobs is None else {"max_jobs": max_jobs}
        reply = self._call("configure", **maximum, **(more or {}))
        return understood(replies.configured, reply)

    def list(
        self,
        jobs: Sequence[Range] | None = None,
        states: Sequence[str] | None = None,
        newest: int = 0,
        only: Filter | None = None,
    ) -> Iterator[Job]:
        asked = _said({"jobs": jobs, "states": states, **vars(only or Filter())})
        if newest:
            yield from self._newest(asked, newest)
            return
        for reply in self._pages("list", {**asked, "limit": wire.MAX_PAGE, "newest": False}):
            yield from sorted(understood(replies.jobs, reply), key=lambda job: job.id)

    def _newest(self, asked: dict[str, Any], count: int) -> Sequence[Job]:
        """The last ones; where few are wanted, they are looked for from the end, piece by piece."""
        found: deque[Job] = deque()
        while True:
            reply = self._call("list", **asked, limit=min(count - len(found), wire.MAX_PAGE), newest=True)
            found.extendleft(sorted(understood(replies.jobs, reply), key=lambda job: -job.id))
            if len(found) >= count or reply.get("next") is None:
                return found
            asked["before"] = reply["next"]

    def sweeps(self, name: str | None = None) -> Sequence[SweepCounts]:
        pages = self._pages("sweeps", _said({"sweep": name}))
        return [one for page in pages for one in understood(replies.sweeps, page)]

    def members(self, sweep: str, states: Sequence[str] | None = None) -> Iterator[Members]:
        for reply in self._pages("members", {"sweep": sweep, "settings": True, **_said({"states": states})}):
            yield understood(replies.members, reply)

    def details(self, job: int) -> Details:
        return understood(replies.details, self._call("details", job=job))

    def why(self, job: int) -> Sequence[str]:
        return understood(lambda reply: [str(line) for line in reply["why"]], self._call("why", job=job))

    def change(self, how: str, jobs: Sequence[Range] | None) -> Sequence[Range]:
        pages = self._pages(how, {"jobs": jobs})
        return [span for reply in pages for span in understood(lambda reply: replies.ranges(reply["changed"]), reply)]

    def drain(self, on: bool) -> None:
        self._call("drain" if on else "undrain")

    def leave(self, key: str, to: str, jobs: Sequence[Range] | None = None) -> Move:
        return understood(replies.move, self._call("move", key=key, to=to, **_said({"jobs": jobs})))

    def moves(self, prefix: str = "") -> Sequence[Move]:
        pages = self._pages("moves", {"key": prefix} if prefix else {})
        return [one for page in pages for one in understood(lambda reply: [*map(replies.move, reply["moves"])], page)]

    def arrived(self, key: str, first: int) -> None:
        self._call("arrived", key=key, first=first)

    def come_back(self, key: str) -> None:
        self._call("back", key=key)

    def decline(self, key: str) -> int | None:
        return understood(replies.taken, self._call("decline", key=key))

    def cancel(
        self,
        jobs: Sequence[Range] | None,
        grace: float | None = None,
        signal: int | None = None,
        note: str | None = None,
    ) -> Cancelled:
        asked = {"jobs": jobs, **_said({"grace": grace, "signal": signal, "note": note})}
        pages = [understood(replies.cancelled, reply) for reply in self._pages("cancel", asked)]
        fates = fields(Cancelled)
        return Cancelled(**{fate: [one for page in pages for one in getattr(page, fate)] for fate in fates})

    def changes(self, since: str = "", timeout: float | None = None) -> str:
        deadline = soon(timeout) if timeout is not None else float("inf")
        while True:
            reply = self._parked("changes", max(0.0, min(reading.SLICE, deadline - time.monotonic())), since=since)
            version = understood(lambda reply: str(reply["version"]), reply)
            if version != since or time.monotonic() >= deadline:
                return version

    def sights(self, most: int, only: Filter | None = None) -> Iterator[Sight]:
        from sjs.targets.watching import Watching

        watching = Watching(self._name, most, _said(vars(only or Filter())))
        while True:
            yield self._persist(watching.next)

    def wait(self, jobs: Sequence[Range] | None, timeout: float | None = None) -> Waited:
        deadline = soon(timeout) if timeout is not None else float("inf")
        while True:
            reply = self._parked("wait", max(0.0, min(reading.SLICE, deadline - time.monotonic())), jobs=jobs)
            waited = understood(replies.waited, reply)
            if waited.done or time.monotonic() >= deadline:
                return waited

    def read(
        self,
        job: int,
        streams: Sequence[str],
        follow: bool = False,
        lines: int | None = None,
        since: float | None = None,
        attempt: int | None = None,
        offset: int = 0,
        signs: bool = False,
        departure: Departure | None = None,
    ) -> Iterator[Piece]:
        begin = {"lines": lines, "since": since} if lines is not None or since is not None else {"offset": offset}
        output = Reading(_said({"job": job, "follow": follow, "of": attempt}), streams, _said(begin))
        with departure.heard(self.hang_up) if departure else nullcontext():
            while not output.done:
                message = self._persist(output.next)
                yield from output.pieces(message)
                if message is None and signs:
                    yield Piece(streams[0], b"")

    def size(self, job: int, stream: str, attempt: int | None = None) -> int | None:
        asked = _said({"job": job, "stream": stream, "of": attempt})
        return self._persist(lambda session: size_of(session, asked))

    def left(self, attempts: Sequence[tuple[int, int]], name: str) -> Sequence[bytes | None]:
        return self._persist(lambda _: list(self._machine.left(attempts, name)))

    def stop(self, kill: bool = False, if_idle: bool = False, undrain: bool = False) -> tuple[int, int]:
        said = {"kill": kill, "if_idle": if_idle, "undrain": undrain}

        def attempt(session: Session) -> tuple[int, int]:
            reply = session.call("stop", **{name: True for name, wanted in said.items() if wanted})
            running, waiting = understood(lambda reply: (int(reply["running"]), int(reply["queued"])), reply)
            if if_idle and (running or waiting):
                hint = "say --drain, --force or --kill: see --help"
                raise Refused(f"{running} job(s) running and {waiting} job(s) waiting", hint)
            session.wait_for_end(FAREWELL)
            return running, waiting

        return self._persist(attempt)

    @property
    def machine(self) -> Machine:
        machine = self._machine
        self._check_departure()
        return machine

    @cached_property
    def _machine(self) -> DistantMachine:
        from sjs.targets.machine import DistantMachine

        return DistantMachine(self._transport, self._errand_door)

    @property
    def cluster(self) -> Cluster:
        raise Refused(f"{self._name} is no cluster: it has a machine", f"submit {self._name} hosts")

    def hang_up(self) -> None:
        self._has_departed = True
        session = self._session
        if session is not None:
            session.stream.hang_up()
        if "_machine" in vars(self):
            self._machine.hang_up()

    def close(self) -> None:
        self._let_go(Session.close if self._has_departed else Session.rest)

    def _let_go(self, how: Callable[[Session], None]) -> None:
        if "_machine" in vars(self):
            self._machine.close()
        session, self._session = self._session, None
        if session is not None:
            how(session)
        self._transport.close()

    def _parked(self, op: str, seconds: float, **fields: Any) -> dict[str, Any]:
        """The reply to a request that is kept there for so long at most."""
        return self._persist(lambda session: session.call(op, patience=seconds + ANSWER, timeout=seconds, **fields))

    def _call(self, op: str, **fields: Any) -> dict[str, Any]:
        return self._persist(lambda session: session.call(op, **fields))

    def _pages(self, op: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The replies to a request that is answered page by page; one that names more ranges than a request may hold
        is several."""
        jobs = asked.get("jobs") or ()
        if len(jobs) > wire.MAX_PAGE:
            for start in range(0, len(jobs), wire.MAX_PAGE):
                yield from self._pages(op, {**asked, "jobs": jobs[start : start + wire.MAX_PAGE]})
            return
        reply = self._call(op, **asked)
        yield reply
        while reply.get("next") is not None:
            reply = self._call(op, **asked, after=reply["next"])
            yield reply

    def _persist(self, attempt: Callable[[Session], T]) -> T:
        """Attempt it, on new sessions as often as the link breaks, until the patience of one outage is used up."""
        outage: Outage | None = None
        while True:
            self._check_departure()
            try:
                found = attempt(self._opened())
                self._greeted = True
                return found
            except Unreachable as error:
                left = self._session
                self._let_go(Session.close)
                self._check_departure()
                if left is not None and left.untried and isinstance(error, LinkLost):
                    self._forget(left)
                    continue
                if outage is None:
                    if not (isinstance(error, LinkLost) or (self._greeted and isinstance(error, NotReached))):
                        raise
                    outage = Outage(PATIENCE if self._greeted else FIRST_PATIENCE)
                    self._notice(f"{error.message}; asking again for {outage.seconds:.0f} seconds")
                outage.pause(error)

    def _check_departure(self) -> None:
        if self._has_departed:
            raise Departed("whoever asked has gone")

    def _forget(self, left: Session) -> None:
        """A session that another command had left was not there any more; from now on, only new ones will do."""
        self._trusts_others = False
        for chunk in self._chunks:
            chunk.times -= chunk.session is left

    def _opened(self) -> Session:
        if self._session is None:
            self._session = open_session(self._transport, self.door, self.door.name, self._trusts_others)
            self._greeted |= not self._session.untried
            self._check_departure()  # who has gone meanwhile has found none to end
        return self._session

    def _send_chunks(self, session: Session) -> None:
        has = session.hello.get("hooks")
        if has is not None and not self._hooks.items() <= has.items():
            session.call("configure", **self._hooks)
            has.update(self._hooks)
        for chunk in self._chunks:
            if chunk.session is not session:
                if not session.hello.get("snapshots") and any("snapshot" in job for job in chunk.jobs):
                    raise Refused("its manager knows nothing of snapshots", f"submit {self._name} upgrade")
                if not session.hello.get("sweeps") and any("task" in job for job in chunk.jobs):
                    raise Refused("its manager knows nothing of sweeps", f"submit {self._name} upgrade")
                if not session.hello.get("artifacts") and any("artifacts" in job for job in chunk.jobs):
                    raise Refused("its manager knows nothing of artifacts", f"submit {self._name} upgrade")
                chunk.begun = True
                envs = {name: body for name, body in chunk.envs.items() if name not in self._known}
                more = {**chunk.more, "envs": envs} if envs else chunk.more
                chunk.number = session.post("submit", key=chunk.key, **more, jobs=chunk.jobs)
                chunk.session = session
                chunk.times += 1
                chunk.more["again"] = True  # should it be sent once more

    def _chunk_reply(self, session: Session, chunk: Posted) -> dict[str, Any]:
        self._send_chunks(session)
        return session.reply(chunk.number)


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what was left out."""
    return {name: value for name, value in fields.items() if value is not None}
