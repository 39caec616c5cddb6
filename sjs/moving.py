"""Jobs that go from one target to another, each exactly once.

They leave the one under a key, are handed in to the other under the same key, and are over at the first once the other
has taken them. If it refuses, it first makes sure that it never will take them; then they come back. Each step may be
taken again, by whoever comes; a file (`Trips`) says that there is something to finish, before the first job leaves.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO

from sjs import wire
from sjs.answers import Move
from sjs.config import Manager
from sjs.core.job import ranges
from sjs.core.rebalance import Parting
from sjs.dealing import identity, source_file
from sjs.errors import NoQueue, Refused, SjsError, Unreachable
from sjs.promises import Promises, sync_folder
from sjs.protocols import Target
from sjs.routing import Fleet
from sjs.values import dataclass

VERSION = 1


@dataclass(frozen=True)
class Carried:
    """What became of jobs of `source`. `first`: the id of the first of them at `target`, if it has them; else they
    wait where they did, or are still on their way (`is_open`). `error`: why."""

    source: str
    target: str
    jobs: Sequence[int]
    first: int | None = None
    error: SjsError | None = None
    is_open: bool = False


class Carrier:
    """Carries jobs over. A target that does not answer is left alone for the rest of the command."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._away: dict[str, Unreachable] = {}

    def carry(self, key: str, parting: Parting) -> Iterator[Carried]:
        """Have them go, in as many moves as it takes; who can not go after all is left out."""
        source, target = parting.source, parting.target
        left = set(parting.jobs)
        number = 0
        while left and not {source, target} & self._away.keys():
            here = ranges(sorted(left))[: wire.MAX_PAGE]
            name = f"{key}/{source}/{target}/{number}"
            try:
                move = self.target(source).leave(name, target, here)
            except Unreachable as error:
                self._away[source] = error
                yield Carried(source, target, sorted(left), error=error, is_open=True)
                return
            if not move.size:
                return
            yield self.settle(source, move)
            left -= {job for job, _ in move.jobs}
            number += 1

    def finish(
        self, source: str, prefix: str = "", how: Callable[[Target, Move], int | None] | None = None
    ) -> Iterator[Carried]:
        """Settle what is not, of all moves whose keys begin so."""
        target = self.target(source)
        for one in target.moves(prefix):
            move = target.leave(one.key, one.target)
            if move.first is None:
                yield self.settle(source, move, how)

    def settle(self, source: str, move: Move, how: Callable[[Target, Move], int | None] | None = None) -> Carried:
        """One move: hand its jobs in over there, or whatever `how` does, which gives the first id that they have got,
        or None when they never will have one."""
        jobs = [job for job, _ in move.jobs]
        here = self.target(source)
        refusals: list[SjsError] = []
        try:
            first = how(here, move) if how else self._hand_in(here, move, refusals)
        except Unreachable as error:
            self._away.setdefault(move.target, error)
            return Carried(source, move.target, jobs, error=error, is_open=True)
        try:
            if first is None:
                here.come_back(move.key)
            else:
                here.arrived(move.key, first)
        except Unreachable as error:
            self._away[source] = error
            return Carried(source, move.target, jobs, error=error, is_open=True)
        return Carried(source, move.target, jobs, first, refusals[0] if refusals else None)

    def _hand_in(self, here: Target, move: Move, refusals: list[SjsError]) -> int | None:
        there = self.target(move.target)
        specs = [spec for _, spec in move.jobs]
        envs = {name: here.environment(name) for name in sorted({spec.env_base for spec in specs} - {""})}
        try:
            there.post(move.key, specs, again=True, envs=envs, via=move.via)
        except Refused as error:  # before it was sent: that would be done with whatever is posted next
            self._away[move.target] = Unreachable(f"{move.target} was refused: {error.message}")
            refusals.append(error)
            return there.decline(move.key)
        try:
            return there.collect().first
        except Refused as error:
            refusals.append(error)
            return there.decline(move.key)

    def take_back(self, here: Target, move: Move) -> int | None:
        """For `finish`: do not hand in what is not there yet."""
        try:
            return self.target(move.target).decline(move.key)
        except NoQueue:
            return None

    def target(self, name: str) -> Target:
        """The target, unless it has not answered before: what it was asked then it may still have to answer."""
        if name in self._away:
            raise self._away[name]
        if name not in self._fleet.managers:
            raise Unreachable(f"{name} is not configured here", "finish it where it was begun")
        return self._fleet.free_target(name)


@dataclass(frozen=True)
class Head:
    """What there is to know of a command to finish it: its key, whose jobs it moves, and how the targets were
    configured then, in which file."""

    key: str
    sources: Sequence[str]
    config: str
    managers: Mapping[str, Any]
    at: float


def head(key: str, sources: Sequence[str], config: str | None, managers: Iterable[Manager]) -> Head:
    """The same, of a command that begins now. `config`: the file that --config named."""
    return Head(key, sources, source_file(config), {one.name: identity(one) for one in managers}, time.time())


class Trip:
    """One command's file. Left as a context, it is gone if all is settled."""

    def __init__(self, path: str, log: BinaryIO, head: Head) -> None:
        self.path = path
        self.head = head
        self.tried: tuple[float, str] = (0.0, "")
        self.settled = False
        self._log = log

    def __enter__(self) -> Trip:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if self.settled:
            os.unlink(self.path)
        self._log.close()

    def try_later(self, why: str) -> None:
        """It cannot be finished now."""
        self.tried = (time.time(), why)
        self._log.write(wire.encode({"tried": self.tried[0], "why": why}))
        self._log.flush()


class Trips(Promises):
    """The folder of these files."""

    def begin(self, head: Head) -> Trip:
        """A new one, durable."""
        path, log = self.new()
        log.write(wire.encode({"sjs": VERSION, **vars(head)}))
        log.flush()
        os.fdatasync(log.fileno())
        sync_folder(self.folder)
        return Trip(path, log, head)

    def take_over(self, path: str) -> Trip | None:
        """The file of a command that is no more; None when it lives, or had not begun."""
        log = self.locked(path)
        if log is None:
            return None
        with open(path, "rb") as source:
            lines = source.read().splitlines(keepends=True)
        if not lines or not lines[0].endswith(b"\n"):
            os.unlink(path)
            log.close()
            return None
        try:
            body = json.loads(lines[0])
            if body.pop("sjs") != VERSION:
                raise ValueError("another version's")
            trip = Trip(path, log, Head(**body))
            for line in lines[1:]:
                said = json.loads(line)
                trip.tried = (float(said["tried"]), str(said["why"]))
        except (ValueError, KeyError, TypeError) as error:
            log.close()
            raise SjsError(f"{path} cannot be understood ({error!r:.80})", f"rm {path}") from None
        return trip


def finish(fleet: Fleet, trip: Trip) -> list[Carried]:
    """Do what is left of a command; what became of it."""
    carrier = Carrier(fleet)
    found = [one for source in trip.head.sources for one in carrier.finish(source, f"{trip.head.key}/")]
    trip.settled = not any(one.is_open for one in found)
    for one in found:
        if one.is_open:
            trip.try_later(f"{one.target}: {one.error.message if one.error else 'no answer'}")
    return found
