"""What commands that were cut short have left in the outbox: finished by the next command, or told."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from sjs.cli import ids
from sjs.cli.common import Call
from sjs.cli.output import flush
from sjs.cli.text import printable
from sjs.config import Manager, load, state_path
from sjs.core.job import Range
from sjs.dealing import Dealer, Failure, same_managers
from sjs.errors import SjsError, Unreachable
from sjs.outbox import Entry, Outbox
from sjs.routing import Fleet

PATIENCE = 5.0
"""Seconds by which a command may be later for it, …"""

REST = 60.0
"""… and for how long nobody tries again after that."""


def finish_leftovers(call: Call) -> None:
    """Hand in what is left, as far as it can be done soon; say what became of it."""
    works = [_Work(call, entry) for entry in _entries(call, Outbox(state_path("outbox", os.environ)))]
    deadline = time.monotonic() + PATIENCE
    for work in works:
        work.join(max(0.0, deadline - time.monotonic()))
        _say(call, work.outcome())


def _entries(call: Call, outbox: Outbox) -> Iterator[Entry]:
    """What is left and can be read; what cannot is said, and keeps no command from its own work."""
    try:
        for path in outbox.left():
            try:
                entry = outbox.take_over(path)
            except SjsError as error:
                _say(call, str(error))
                continue
            if entry is not None:
                yield entry
    except OSError as error:
        _say(call, f"{error.filename}: {error.strerror}")


class _Work(threading.Thread):
    """Finishing one entry. Nobody waits for it for long: what it has not done when the command ends, the next one
    does."""

    def __init__(self, call: Call, entry: Entry) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._entry = entry
        self._path = entry.path
        self._failed: Sequence[Failure] = ()
        self._closing = threading.Lock()
        self._closed = False
        self.start()

    def run(self) -> None:
        try:
            if not 0 <= time.time() - self._entry.tried[0] < REST:
                self._finish()
        except (SjsError, OSError) as error:
            self._entry.try_later(str(error))
        finally:
            with self._closing, self._entry:
                self._closed = True

    def _finish(self) -> None:
        with Fleet(_managers(self._call, self._entry), "", lambda name, line: None) as fleet:
            dealer = Dealer(fleet, self._entry)
            for _ in dealer.deal():
                pass
            self._failed = dealer.failed

    def outcome(self) -> str:
        """What has become of the jobs, in a line."""
        entry = self._entry
        with self._closing:
            if not self._closed:
                entry.try_later("no answer yet")
        taken: dict[str, list[Range]] = {}
        for share, first in list(entry.taken):
            taken.setdefault(share.target, []).append((first, first + share.count - 1))
        parts = [f"{name} has taken {ids.text(ranges)}" for name, ranges in taken.items()]
        parts += [f"{one.count} not handed in ({one.name}: {one.error})" for one in self._failed if not one.is_open]
        waiting = sum(share.count for share in list(entry.pending.values()))
        if waiting:
            parts.append(f"{waiting} wait ({entry.tried[1]}); to forget them: rm {self._path}")
        return f"of the jobs that a command of {_when(entry.head.at)} was sending: {'; '.join(parts)}"


def _managers(call: Call, entry: Entry) -> Sequence[Manager]:
    """The targets as they were for that command: by this command's config, or by its own."""
    wanted = {share.target for share in entry.pending.values()}
    managers = same_managers(entry, call.config())
    if not wanted <= {one.name for one in managers} and entry.head.config:
        managers = same_managers(entry, load(entry.head.config, os.environ))
    missing = wanted - {one.name for one in managers}
    if missing:
        raise Unreachable(f"{', '.join(sorted(missing))} is not configured as it was then")
    return managers


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _say(call: Call, line: str) -> None:
    flush()
    sys.stderr.write(f"{call.prog}: {printable(line)}\n")
