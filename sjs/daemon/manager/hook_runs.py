"""In the manager: has the keeper run what the hooks of a queue are owed (`hook_list`), beside the jobs and their slots.

A few at once, however many jobs end; the rest waits in the database. Each reads its job's record, a line of JSON, from
stdin, and is named so that a successor of this manager starts none beside itself. How it ends changes nothing for any
job; what did not end well is said in hooks.log.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Dict

from sjs import wire
from sjs.core.job import Job
from sjs.daemon.ground import notes
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.hooks import Order, order
from sjs.daemon.queue.hook_list import TIMEOUT, HookList, Owed
from sjs.daemon.queue.store import Store

AT_ONCE = 4

_TAG = re.compile(r"(on_start|on_finish)-(\d+)-(\d+)")


class HookRuns:
    """Those that run."""

    def __init__(self, where: Places, hooks: HookList, store: Store, order: Order) -> None:
        self._where = where
        self._hooks = hooks
        self._store = store
        self._order = order
        self._log = os.path.join(where.state, "hooks.log")
        self._running: Dict[int, Owed] = {}

    def work(self) -> None:
        """Begin as many as may run at once. Raises OSError when the disk takes no record."""
        room = AT_ONCE - len(self._running)
        if room and self._hooks.is_owed:
            for owed in self._hooks.first(room, self._running):
                job = self._store.job(owed.job)
                if job is None:
                    notes.put(self._log, f"{owed.event} of job {owed.job} was not run: its record is gone")
                    self._hooks.strike(owed.number)
                else:
                    self._begin(owed, job)

    def _begin(self, owed: Owed, job: Job) -> None:
        tag = f"{owed.event}-{owed.number}-{owed.job}"
        path = self._path(tag)
        try:
            _write(path, wire.encode({"event": owed.event, **wire.job_to_wire(job)}))
        except OSError:
            self._hooks.is_owed = True
            raise
        self._running[owed.number] = owed
        argv = ["/bin/sh", "-c", self._hooks.said[owed.event]]
        env = {"SJS_EVENT": owed.event, "SJS_JOB_ID": str(owed.job), "SJS_MANAGER": self._where.door}
        self._order(order(tag, argv, self._where.root, self._log, self._hooks.said[TIMEOUT], env, stdin=path))

    def ended(self, tag: str, end: Dict[str, Any]) -> None:
        """News of an end, perhaps of one of these, be it of an earlier manager's."""
        match = _TAG.fullmatch(tag)
        if match is None:
            return
        event, number, job = match[1], int(match[2]), match[3]
        self._running.pop(number, None)
        self._hooks.strike(number)
        self._hooks.is_owed = True
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(tag))
        if (end["reason"], end.get("exit")) != ("exit", 0):
            notes.put(self._log, f"{event} of job {job} failed: {_words(end)}")

    def refused(self, tag: str) -> None:
        """The machine could not start it now; it is still owed."""
        match = _TAG.fullmatch(tag)
        if match is not None:
            self._running.pop(int(match[2]), None)
            self._hooks.is_owed = True

    def _path(self, tag: str) -> str:
        return os.path.join(self._where.state, f"{tag}.json")


def _write(path: str, line: bytes) -> None:
    """Make the file anew: what an earlier manager began may still read the one that was there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as record:
        record.write(line)


def _words(end: Dict[str, Any]) -> str:
    how = {"exit": f"exit status {end.get('exit')}", "signal": f"signal {end.get('signal')}"}.get(end["reason"])
    return "; ".join(part for part in (how, end.get("detail")) if part) or str(end["reason"])
