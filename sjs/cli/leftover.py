"""What commands that were cut short have left in the outbox: finished by the next command, or told."""

from __future__ import annotations

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence, Set
from typing import TypeVar

from sjs.cli import ids, text
from sjs.cli.common import Call
from sjs.cli.moved import fate
from sjs.cli.output import flush
from sjs.config import Manager, load, state_path
from sjs.core.job import Range
from sjs.core.overflow import Overflow
from sjs.dealing import Dealer, Failure, same_managers
from sjs.errors import SjsError, Unreachable, UsageError
from sjs.moving import Carried, Trip, Trips, finish
from sjs.moving import Head as MovesHead
from sjs.outbox import Entry, Outbox
from sjs.plans import Head
from sjs.promises import Promises
from sjs.routing import Fleet, select
from sjs.sharing import sharing
from sjs.values import replace

P = TypeVar("P")

PATIENCE = 5.0
"""Seconds by which a command may be later for it, …"""

REST = 60.0
"""… and for how long nobody tries again after that."""


def finish_leftovers(call: Call) -> None:
    """Hand in, or move, what is left, as far as it can be done soon; say what became of it."""
    outbox = Outbox(state_path("outbox", os.environ))
    trips = Trips(state_path("moves", os.environ))
    works: list[_Work] = [_Jobs(call, entry) for entry in _taken_over(call, outbox, outbox.take_over)]
    works += [_Moves(call, trip) for trip in _taken_over(call, trips, trips.take_over)]
    deadline = time.monotonic() + PATIENCE
    for work in works:
        work.join(max(0.0, deadline - time.monotonic()))
        _say(call, work.outcome())


def _taken_over(call: Call, folder: Promises, take_over: Callable[[str], P | None]) -> Iterator[P]:
    """What is left and can be read; what cannot is said, and keeps no command from its own work."""
    try:
        for path in folder.left():
            try:
                promise = take_over(path)
            except SjsError as error:
                _say(call, str(error))
                continue
            if promise is not None:
                yield promise
    except OSError as error:
        _say(call, f"{error.filename}: {error.strerror}")


class _Work(threading.Thread, ABC):
    """Finishing what one file promises. Nobody waits for it for long: what it has not done when the command ends, the
    next one does."""

    def __init__(self, call: Call, promise: Entry | Trip) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._promise = promise
        self._path = promise.path
        self._closing = threading.Lock()
        self._closed = False
        self.start()

    def run(self) -> None:
        try:
            if not 0 <= time.time() - self._promise.tried[0] < REST:
                self._finish()
        except (SjsError, OSError) as error:
            self._promise.try_later(str(error))
        finally:
            with self._closing, self._promise:
                self._closed = True

    @abstractmethod
    def _finish(self) -> None:
        """Do what the promise says, as far as that can be done now."""

    @abstractmethod
    def _told(self) -> str:
        """What has become of it."""

    def outcome(self) -> str:
        """What has become of the jobs, in a line."""
        with self._closing:
            if not self._closed:
                self._promise.try_later("no answer yet")
        return self._told()


class _Jobs(_Work):
    """Jobs that were being handed in."""

    def __init__(self, call: Call, entry: Entry) -> None:
        self._entry = entry
        self._failed: Sequence[Failure] = ()
        super().__init__(call, entry)

    def _finish(self) -> None:
        entry = self._entry
        wanted = {share.target for share in entry.pending.values()}
        managers = _managers(self._call, entry.head, wanted)
        missing = wanted - {one.name for one in managers}
        if missing:
            raise Unreachable(f"{', '.join(sorted(missing))} is not configured as it was then")
        overflow = _overflow(self._call, entry.head.via, managers)
        with Fleet(managers, "", lambda name, line: None, overflow=overflow) as fleet:
            dealer = Dealer(fleet, entry, sharing(fleet, entry.head.key))
            for _ in dealer.deal():
                pass
            self._failed = dealer.failed

    def _told(self) -> str:
        entry = self._entry
        taken: dict[str, list[Range]] = {}
        for share, first in list(entry.taken):
            taken.setdefault(share.target, []).append((first, first + share.count - 1))
        parts = [f"{name} has taken {ids.text(ranges)}" for name, ranges in taken.items()]
        parts += [f"{one.count} not handed in ({one.name}: {one.error})" for one in self._failed if not one.is_open]
        waiting = sum(share.count for share in list(entry.pending.values()))
        if waiting:
            parts.append(f"{waiting} wait ({entry.tried[1]}); to forget them: rm {self._path}")
        return f"of the jobs that a command of {_when(entry.head.at)} was sending: {'; '.join(parts)}"


class _Moves(_Work):
    """Jobs that were being moved."""

    def __init__(self, call: Call, trip: Trip) -> None:
        self._trip = trip
        self._found: Sequence[Carried] = ()
        super().__init__(call, trip)

    def _finish(self) -> None:
        head = self._trip.head
        with Fleet(_managers(self._call, head, set(head.managers)), "", lambda name, line: None) as fleet:
            self._found = finish(fleet, self._trip)

    def _told(self) -> str:
        parts = [f"{one.source}: {fate(one)}" for one in self._found]
        if not self._trip.settled:
            where = " and ".join(f"`{self._call.prog} {name} rebalance --finish`" for name in self._trip.head.sources)
            parts.append(f"not all is settled ({self._trip.tried[1]}): the next command tries again, as does {where}")
        return f"of the jobs that a command of {_when(self._trip.head.at)} was moving: " + (
            "; ".join(parts) or "all is settled"
        )


def _managers(call: Call, head: Head | MovesHead, wanted: Set[str]) -> Sequence[Manager]:
    """The targets as they were for that command: by this command's config, or by its own."""
    managers = same_managers(head.managers, call.config())
    if not wanted <= {one.name for one in managers} and head.config:
        managers = same_managers(head.managers, load(head.config, os.environ))
    return managers


def _overflow(call: Call, word: str, managers: Sequence[Manager]) -> Overflow | None:
    """Those of them that get only what would have to wait elsewhere."""
    try:
        found = select(call.config(), word).overflow
    except UsageError:  # it means nobody here and now
        return None
    names = tuple(one.name for one in managers if found is not None and one.name in found.names)
    return replace(found, names=names) if found is not None and names else None


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _say(call: Call, line: str) -> None:
    flush()
    sys.stderr.write(f"{call.prog}: {text.printable(line)}\n")
