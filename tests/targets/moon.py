"""A kind of target that somebody else's package brings: queues in this process, with no machine of their own.

Jobs start while there are free slots and run until a test ends them, or, where the entry says `quick: true`, end at
once: well, but for those whose command is `false`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

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
    Waiting,
)
from sjs.core.job import End, Job, Range, Report, Spec, contains, ranges
from sjs.core.lifecycle import CANCELLED, FAILED, HELD, QUEUED, RUNNING, SUCCEEDED, UNENDED
from sjs.departure import Departure
from sjs.errors import Full, Refused, SjsError, UnknownJob
from sjs.nodes import Checks
from sjs.protocols import Cluster, Envs, Machine
from sjs.targets.kinds import Entry, Kind
from sjs.values import replace

POINTS = "[sjs.targets]\nmoon = tests.targets.moon:MOON\n"


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have its package here, as pip would."""
    info = folder / "moon-package" / "sjs_moon-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: sjs-moon\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(info.parent))
    QUEUES.clear()


class Queue:
    """What becomes of the jobs of one target."""

    def __init__(self, name: str, slots: int, quick: bool) -> None:
        self.name, self.slots, self.quick = name, slots, quick
        self.jobs: list[Job] = []
        self.keys: dict[str, Accepted] = {}
        self.drained = False
        self.error: SjsError | None = None
        self.refusal: BaseException | None = None
        self.changed = threading.Condition(threading.RLock())
        self.version = 0

    def take(self, key: str, specs: Sequence[Spec], if_free: bool, via: str) -> Accepted:
        with self.changed:
            if self.refusal is not None:
                raise self.refusal
            if key in self.keys:
                return replace(self.keys[key], repeated=True)
            if if_free and self.report().free < len(specs):
                raise Full("no free slot")
            first = len(self.jobs)
            now = time.time()
            self.jobs += [
                Job(first + place, spec, HELD if spec.hold else QUEUED, now, via=via)
                for place, spec in enumerate(specs)
            ]
            self.keys[key] = Accepted(first, len(specs), self.slots)
            self.turn()
            return self.keys[key]

    def turn(self) -> None:
        """Start what may start."""
        for job in self.jobs:
            if job.state == QUEUED and not self.drained and self.counts[RUNNING] < self.slots:
                self.put(replace(job, state=RUNNING, started=time.time(), attempt=1))
                if self.quick:
                    self.end(job.id, 1 if job.spec.command == "false" else 0)
        self.version += 1
        self.changed.notify_all()

    def end(self, number: int, status: int = 0) -> None:
        with self.changed:
            state = FAILED if status else SUCCEEDED
            self.put(replace(self.jobs[number], state=state, ended=time.time(), end=End("exit", exit=status)))
            self.turn()

    def put(self, job: Job) -> None:
        self.jobs[job.id] = job

    @property
    def counts(self) -> Counter[str]:
        return Counter(job.state for job in self.jobs)

    def report(self) -> Report:
        return Report(self.name, self.counts[RUNNING], self.slots, self.counts[QUEUED], drained=self.drained)


QUEUES: dict[str, Queue] = {}
"""By the names of their targets; made when they are first asked."""


def queue(name: str, slots: int = 2, quick: bool = False) -> Queue:
    return QUEUES.setdefault(name, Queue(name, slots, quick))


class Moon:
    """One such target."""

    def __init__(self, entry: Entry) -> None:
        self.name, self.entry = entry.name, entry
        settings = entry.settings
        self._queue = queue(entry.name, settings.get("slots", 2), settings.get("quick", False))
        self._posted: list[tuple[str, Sequence[Spec], bool, str]] = []

    def _asked(self) -> Queue:
        if self._queue.error is not None:
            raise self._queue.error
        return self._queue

    def report(self, head: int = 0) -> Status:
        of = self._asked()
        waiting = [Waiting(job.id, " ".join(job.spec.program[2:])) for job in of.jobs if job.state == QUEUED]
        return Status(of.report(), waiting[:head], of.counts, "", 0, "", "", drained=of.drained)

    def post(
        self,
        key: str,
        specs: Sequence[Spec],
        again: bool = False,
        if_free: bool = False,
        envs: Envs | None = None,
        via: str = "",
    ) -> None:
        self._asked()
        self._posted.append((key, list(specs), if_free, via))

    def collect(self) -> Accepted:
        of = self._asked()
        return of.take(*self._posted.pop(0))

    @property
    def owes(self) -> bool:
        return bool(self._posted)

    def environment(self, digest: str) -> Mapping[str, str]:
        return {}

    def lookup(self, key: str) -> Sequence[str]:
        return [one[len(key) + 1 :] for one in self._asked().keys if one.startswith(f"{key}/")]

    def configure(self, max_jobs: int | None = None, more: Mapping[str, Any] | None = None) -> Configured:
        raise Refused("the moon is as it is")

    def list(
        self,
        jobs: Sequence[Range] | None = None,
        states: Sequence[str] | None = None,
        newest: int = 0,
        only: Filter | None = None,
    ) -> Iterator[Job]:
        wanted = only or Filter()
        found = [
            job
            for job in self._asked().jobs
            if (jobs is None or contains(jobs, job.id))
            and (states is None or job.state in states)
            and (wanted.name is None or fnmatchcase(job.spec.name, wanted.name))
            and (wanted.tag is None or wanted.tag in job.spec.tags)
            and (wanted.since is None or (job.ended or job.submitted) >= wanted.since)
            and (wanted.sweep is None or (job.spec.task is not None and job.spec.task.sweep == wanted.sweep))
        ]
        return iter(found[-newest:])

    def sweeps(self, name: str | None = None) -> Sequence[SweepCounts]:
        found: dict[str, Counter[str]] = {}
        for job in self._asked().jobs:
            if job.spec.task is not None and name in (None, job.spec.task.sweep):
                found.setdefault(job.spec.task.sweep, Counter())[job.state] += 1
        return [SweepCounts(sweep, counts) for sweep, counts in found.items()]

    def members(self, sweep: str, states: Sequence[str] | None = None) -> Iterator[Members]:
        found = list(self.list(states=states, only=Filter(sweep=sweep)))
        if found:
            yield Members(
                ranges(job.id for job in found), [job.spec.task.setting for job in found if job.spec.task is not None]
            )

    def details(self, job: int) -> Details:
        return Details(self._job(job), [], [])

    def why(self, job: int) -> Sequence[str]:
        return [f"{self._job(job).state}, as all things are here"]

    def change(self, how: str, jobs: Sequence[Range] | None) -> Sequence[Range]:
        of = self._asked()
        states = {"hold": (QUEUED, HELD), "release": (HELD, QUEUED)}
        if how not in states:
            raise Refused(f"{how} is not possible on the moon")
        before, after = states[how]
        with of.changed:
            found = list(self.list(jobs, (before,)))
            for job in found:
                of.put(replace(job, state=after))
            of.turn()
        return ranges(job.id for job in found)

    def drain(self, on: bool) -> None:
        of = self._asked()
        of.drained = on
        of.turn()

    def leave(self, key: str, to: str, jobs: Sequence[Range] | None = None) -> Move:
        raise Refused("what is on the moon stays there")

    def moves(self, prefix: str = "") -> Sequence[Move]:
        raise Refused("what is on the moon stays there")

    def arrived(self, key: str, first: int) -> None:
        raise Refused("what is on the moon stays there")

    def come_back(self, key: str) -> None:
        raise Refused("what is on the moon stays there")

    def decline(self, key: str) -> int | None:
        raise Refused("what is on the moon stays there")

    def cancel(
        self,
        jobs: Sequence[Range] | None,
        grace: float | None = None,
        signal: int | None = None,
        note: str | None = None,
    ) -> Cancelled:
        of = self._asked()
        with of.changed:
            found = list(self.list(jobs))
            live = [job for job in found if job.state in UNENDED]
            for job in live:
                of.put(replace(job, state=CANCELLED, ended=time.time(), end=End("cancelled", detail=note or "")))
            of.turn()
        return Cancelled(ranges(job.id for job in live), [], ranges(job.id for job in found if job not in live))

    def changes(self, since: str = "", timeout: float | None = None) -> str:
        of = self._asked()
        with of.changed:
            of.changed.wait_for(lambda: str(of.version) != since, timeout)
            return str(of.version)

    def sights(self, most: int, only: Filter | None = None) -> Iterator[Sight]:
        version = ""
        while True:
            version = self.changes(version)
            yield Sight(self.report(), list(self.list(states=UNENDED, only=only))[:most], {})

    def wait(self, jobs: Sequence[Range] | None, timeout: float | None = None) -> Waited:
        of = self._asked()

        def done() -> bool:
            return all(job.state not in UNENDED for job in self.list(jobs))

        with of.changed:
            of.changed.wait_for(done, timeout)
            found = list(self.list(jobs))
        return Waited(done(), Counter(job.state for job in found), found[0] if len(found) == 1 else None)

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
        if "out" in streams:
            yield Piece("out", self._printed(job)[offset:], offset)

    def size(self, job: int, stream: str, attempt: int | None = None) -> int | None:
        return len(self._printed(job)) if stream == "out" else 0

    def _printed(self, job: int) -> bytes:
        return f"said by {self._job(job).id}, loss={job + 1}\n".encode()

    def left(self, attempts: Sequence[tuple[int, int]], name: str) -> Sequence[bytes | None]:
        return [None] * len(attempts)

    def stop(self, kill: bool = False, if_idle: bool = False, undrain: bool = False) -> tuple[int, int]:
        raise Refused("nobody stops the moon")

    @property
    def machine(self) -> Machine:
        raise Refused(f"{self.name} is a moon target: it has no machine")

    @property
    def cluster(self) -> Cluster:
        raise Refused(f"{self.name} is a moon target, and no cluster")

    def hang_up(self) -> None:
        """Nobody waits for the moon."""

    def close(self) -> None:
        self._posted.clear()

    def _job(self, number: int) -> Job:
        for job in self.list([(number, number)]):
            return job
        raise UnknownJob(f"no job {number}")


def _problem(spec: Spec, settings: Mapping[str, Any]) -> str:
    return "there are no GPUs on the moon" if spec.needs.gpus else ""


MOON = Kind(
    "moon",
    {
        "phase": Checks.text,
        "token": Checks.text,
        "slots": lambda checks, node, where: checks.whole(node, where, 0, 1_000),
        "quick": Checks.flag,
    },
    Moon,
    ("phase",),
    ("token",),
    _problem,
    {"side": "--far-side"},
)
