"""In the manager: removes outputs and records that are kept no longer, in slices between turns.

A slice is a few milliseconds, and then nothing for longer than that, so a million old jobs go while others run. Nothing
is looked at twice without need: of each folder of outputs it is known when the first thing in it will be old. A pass
that was cut off is begun anew: files go before the record that tells of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Dict, Generator, Iterator, List, Optional, Sequence

from sjs.core.lifecycle import FINAL
from sjs.daemon.ground import clock, workspace
from sjs.daemon.ground.clock import Now
from sjs.daemon.ground.notes import note
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.retention import KEY_DAYS
from sjs.daemon.queue.store import Store
from sjs.snapshots.store import Store as Snapshots

SLICE = 0.002
"""Seconds after which a slice ends."""

STEPS = 20
"""Steps after which it ends anyway. A step removes a file or a piece of one, or looks at a job."""

PAUSE = 0.018
"""Seconds between slices: a tenth of the time is taken, and what the file system has to write down comes bit by bit."""

HOUR = 3600.0
DAY = 86_400.0

BATCH = 50
"""Records and keys of one step."""

CUT = 1 << 20
"""Bytes by which a large file is made shorter before it goes: to remove a gigabyte at once takes more than a second."""

_FOLDER = re.compile(r"[0-9]+")
_FILE = re.compile(rf"([0-9]+)(?:\.[0-9]+)?\.(?:{'|'.join((*workspace.STREAMS, workspace.FOLDER, *workspace.TREES))})")

DONE = object()


class Cleaner:
    """Keeps the outputs in a folder, and the records in a store, to what the ledger's retention says; and of the
    snapshots those of which a record tells."""

    def __init__(
        self, jobs: str, ledger: Ledger, store: Store, now: Now, snapshots: Optional[Snapshots] = None
    ) -> None:
        self._jobs = jobs
        self._ledger = ledger
        self._retention = ledger.retention
        self._store = store
        self._snapshots = snapshots
        self._swept = -DAY  # when the last sweep of snapshots began, …
        self._sweep_due: Optional[float] = None  # … and when the next one is to, though nothing else is
        self._began = now
        self._oldest: Dict[int, float] = {}  # of each folder: no job that has outputs there ended before
        self._pass: Optional[Iterator[None]] = None
        self._due = now.steady
        self._last = now  # when the last pass ended
        self._ended_then = 0
        self._trouble = ""

    def turn(self, now: Now) -> None:
        """Do a slice, if one is due."""
        if self._retention.is_changed:
            self._retention.is_changed = False
            self._oldest.clear()
            self._due = now.steady
            self._pass = self._all(self._wall(now))
        due = self.next_time()
        if due is None or now.steady < due:
            return
        if self._pass is None:
            self._trouble = ""
            self._pass = self._all(self._wall(now))
        end = clock.look().steady + SLICE
        for _ in range(STEPS):
            if next(self._pass, DONE) is DONE:
                self._pass = None
                self._last = now
                self._ended_then = self._ended_ever()
                self._due = now.steady + HOUR
                return
            if clock.look().steady >= end:
                break
        self._due = clock.look().steady + PAUSE

    def next_time(self) -> Optional[float]:
        """When the next slice is due; None when nothing ever is as things stand."""
        if self._pass is not None or self._retention.is_changed or self._excess():
            return self._due
        found = [one for one in (self._sweep_due, self._next_old()) if one is not None]
        return min(found, default=None)

    def _next_old(self) -> Optional[float]:
        """When the next output is too old."""
        if not self._retention.keep_days or not (self._oldest or self._ended_ever() > self._ended_then):
            return None
        age = self._retention.keep_days * DAY
        wait = min(self._oldest.values(), default=self._last.wall) + age - self._last.wall
        return max(self._due, self._last.steady + min(wait, DAY))  # the kernel waits for 24 days at most

    def _wall(self, now: Now) -> float:
        """The time, as far as it can be believed: a clock that is set forward makes nothing old."""
        return min(now.wall, self._began.wall + now.steady - self._began.steady)

    def _excess(self) -> int:
        """How many records are to go."""
        kept = self._ended_ever() - self._retention.removed
        return max(0, kept - self._retention.keep_jobs) if self._retention.keep_jobs else 0

    def _ended_ever(self) -> int:
        return sum(self._ledger.counts[state] for state in FINAL)

    # A pass, step by step. Outputs first: where the disk is full, that makes room for what removing records writes.

    def _all(self, now: float) -> Iterator[None]:
        removed = self._retention.removed
        yield from self._remove_unwanted()
        if self._retention.keep_days:
            yield from self._remove_outputs(now)
        yield from self._remove_records()
        if self._retention.removed:
            yield from self._forget_keys(now - KEY_DAYS * DAY)
        yield from self._sweep(now, self._retention.removed > removed)

    def _remove_outputs(self, now: float) -> Iterator[None]:
        limit = now - self._retention.keep_days * DAY
        for name in os.listdir(self._jobs):
            if _FOLDER.fullmatch(name):
                self._oldest.setdefault(int(name), 0.0)
        yield
        for number in sorted(self._oldest):
            if self._oldest[number] < limit:
                yield from self._clean_folder(number, limit, now)

    def _clean_folder(self, number: int, limit: float, now: float) -> Iterator[None]:
        folder = os.path.join(self._jobs, str(number))
        oldest = now
        for job_id, paths in sorted(_files(folder).items()):  # as they were made, so as they lie on the disk
            ended = self._ended(job_id, paths, now)
            if ended >= limit:
                oldest = min(oldest, ended)
            else:
                self._retention.clean_to(limit)
                for path in paths:
                    yield from self._remove(path)
            yield
        self._oldest[number] = oldest
        if not any(workspace.folder_of(job_id) == number for job_id in self._ledger.live):
            with contextlib.suppress(OSError):  # it is not empty
                os.rmdir(folder)
        if not os.path.isdir(folder):
            del self._oldest[number]
        yield

    def _ended(self, job_id: int, paths: List[str], now: float) -> float:
        """When the job ended, or now. Where there is no record, when it last wrote something."""
        found = self._store.ended(job_id)
        if found is not None:
            return now if found.at is None else found.at
        return max(map(_changed, paths))

    def _remove_records(self) -> Iterator[None]:
        while True:
            ids = self._store.oldest(FINAL, min(BATCH, self._excess()))
            yield
            if not ids:
                return
            self._retention.note_removed((yield from self._remove_with_outputs(ids)))
            yield

    def _remove_unwanted(self) -> Iterator[None]:
        """What somebody has asked to be removed. Some of it may be gone, or run again since."""
        while True:
            asked = self._retention.unwanted(BATCH)
            if not asked:
                return
            removed = yield from self._remove_with_outputs(asked)
            self._retention.are_gone(len(asked), removed)
            yield

    def _remove_with_outputs(self, ids: Sequence[int]) -> Generator[None, None, int]:
        """How many had records. Between two steps somebody may have one of them run again: that stays."""
        for job_id in ids:
            found = self._store.ended(job_id)
            if found is not None and found.at is not None:
                for path in workspace.outputs(self._jobs, job_id, found.attempt, found.snapshot is not None):
                    yield from self._remove(path)
        ended = ((job_id, self._store.ended(job_id)) for job_id in ids)
        gone = [job_id for job_id, found in ended if found is not None and found.at is not None]
        self._store.remove(gone)
        return len(gone)

    def _sweep(self, now: float, at_once: bool) -> Iterator[None]:
        """Away with snapshots of which no record tells any more, or none ever did; what is new may yet be told of."""
        began = clock.look().steady
        if self._snapshots is None or not (at_once or began >= self._swept + DAY):
            return
        self._swept = began
        is_more_left = False
        try:
            for is_left in self._snapshots.sweep(self._store.has_snapshot, now):
                is_more_left = is_more_left or is_left
                yield
        except OSError as error:
            self._say(f"old snapshots cannot be removed: {error}")
        self._sweep_due = began + DAY if is_more_left else None

    def _forget_keys(self, limit: float) -> Iterator[None]:
        after = ""
        while True:
            keys = self._store.keys(after, BATCH)
            for key, first, count, at in keys:
                if at < limit and not self._store.has_jobs((first, first + count - 1)):
                    self._store.forget_key(key)
            yield
            if len(keys) < BATCH:
                return
            after = keys[-1][0]

    def _remove(self, path: str) -> Iterator[None]:
        try:
            found = os.lstat(path)
            if stat.S_ISDIR(found.st_mode) and path.endswith((workspace.FOLDER, *workspace.TREES)):
                yield from self._remove_folder(path)
                return
            size = found.st_size if found.st_nlink == 1 else 0  # else a job has given it another name, too
            while size > CUT:
                size -= CUT
                os.truncate(path, size)
                yield
            os.unlink(path)
        except FileNotFoundError:
            return  # it was empty, and went when the job ended
        except OSError as error:
            self._say(f"an old output cannot be removed: {error}")
        yield

    def _remove_folder(self, top: str) -> Iterator[None]:
        """With all in it, however deep that is, and whatever a job has made of its rights."""
        folders = [top]
        for folder in folders:
            os.chmod(folder, 0o700)
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield from self._remove(entry.path)
        for folder in reversed(folders):
            os.rmdir(folder)
            yield

    def _say(self, trouble: str) -> None:
        """Once in a pass."""
        if not self._trouble:
            self._trouble = trouble
            note(trouble)


def _files(folder: str) -> Dict[int, List[str]]:
    """The outputs in a folder, by job."""
    found: Dict[int, List[str]] = {}
    try:
        names = os.listdir(folder)
    except OSError:  # somebody removed it
        return found
    for name in names:
        match = _FILE.fullmatch(name)
        if match:
            found.setdefault(int(match[1]), []).append(os.path.join(folder, name))
    return found


def _changed(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return 0.0
