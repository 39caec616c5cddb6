"""A queue while somebody looks on, over one session: what changes is told, and what is printed comes by itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sjs.answers import Sight, Status
from sjs.core.job import Job
from sjs.core.lifecycle import HELD, QUEUED, RUNNING, WAITING
from sjs.errors import LinkLost
from sjs.targets import replies
from sjs.targets.replies import understood
from sjs.targets.session import ANSWER, Message, Session, checked, soon

PACE = 1.0
"""Seconds between two looks at a queue at least, however fast it changes, …"""

SHARE = 4
"""… and so many times as long as a look takes: a slow line has room left for what is printed, and for others."""

FEW = 30
"""Jobs that are shown, if there are so many: those that wait fill up what those that run leave of it."""

HEARTBEAT = 30.0
"""Seconds after which it is looked at though nothing has changed: its machine has, and it tells that it is there."""


class Watching:
    """Asks to be told of changes, looks at the queue when there was one, and has what runs send its last lines."""

    def __init__(self, name: str, most: int, only: Mapping[str, Any]) -> None:
        self._name = name
        self._most = most
        self._only = only
        self._session: Session | None = None
        self._change = 0
        self._due = 0.0
        self._reads: dict[int, int] = {}  # the jobs that are read, by the requests' numbers
        self._lines: dict[int, str] = {}
        self._status: Status | None = None
        self._jobs: list[Job] = []

    def next(self, session: Session) -> Sight:
        """What there is to be seen, once there is something new."""
        if session is not self._session:
            self._session, self._reads = session, {}
            self._look(session, self._version(session.call("changes", since="")))
        else:
            while not self._has_news(session):
                continue
        assert self._status is not None  # which a look has found
        return Sight(self._status, list(self._jobs), dict(self._lines))

    def _has_news(self, session: Session) -> bool:
        try:
            message = session.heard({self._change, *self._reads}, soon(HEARTBEAT + ANSWER))
        except TimeoutError:
            raise LinkLost(f"no sign of the manager for {HEARTBEAT + ANSWER:.0f} seconds") from None
        if message.id == self._change:
            version = self._version(checked(message).body)
            time.sleep(max(0.0, self._due - time.monotonic()))  # what changes meanwhile is seen with it
            self._look(session, version)
            return True
        return self._has_printed(message)

    def _has_printed(self, message: Message) -> bool:
        if not message.payload:  # there will be no more, for the job has ended or its output can not be read
            del self._reads[message.id]
            return False
        self._lines[self._reads[message.id]] = message.payload.decode("utf-8", "replace")
        return True

    def _look(self, session: Session, version: str) -> None:
        began = time.monotonic()
        reply = {**session.hello, **session.call("report", head=0)}
        self._status = understood(lambda reply: replies.status(self._name, reply), reply)
        running = self._some(session, self._most, RUNNING)
        self._jobs = [*running, *self._some(session, max(1, FEW - len(running)), QUEUED, WAITING, HELD)]
        self._due = began + max(PACE, SHARE * (time.monotonic() - began))
        self._change = session.post("changes", since=version, timeout=HEARTBEAT)
        ids = {job.id for job in running}
        self._lines = {job: line for job, line in self._lines.items() if job in ids}
        known = set(self._reads.values())
        for job in running:
            for stream in ("out", "err") if job.id not in known else ():
                if stream == "out" or not job.spec.merge:
                    number = session.post("read", job=job.id, stream=stream, follow=True, brief=True)
                    self._reads[number] = job.id

    def _some(self, session: Session, most: int, *states: str) -> list[Job]:
        reply = session.call("list", states=states, limit=most, newest=False, **self._only)
        return sorted(understood(replies.jobs, reply), key=lambda job: job.id)

    @staticmethod
    def _version(reply: dict[str, Any]) -> str:
        return understood(lambda reply: str(reply["version"]), reply)
