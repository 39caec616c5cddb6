"""In the manager: whether the queue's file system has room for more work, and what is kept back for the end of it.

Below the low-water mark nothing is taken and nothing starts. What runs still ends, and its end needs room even when
there is none: the database's log has its blocks beforehand, and a ballast file is let go for everything else. A quota
or a thin disk may have less than the file system says; then it shows in a ballast that cannot be made again.
"""

from __future__ import annotations

import os
from typing import Dict, NamedTuple, Optional

from sjs.daemon.ground.notes import note
from sjs.errors import NoSpace

KB, MB = 1 << 10, 1 << 20

LOOK = 2.0
"""Seconds between looks while there is no room: nothing tells when there is."""

FEW_FILES = 16
"""With so few names left in the file system there is no room, whatever its blocks are."""

NAME = "ballast"

LOW_WATER = "low_water"
"""Under this name the mark that somebody has set is kept and reported."""


class Sizes(NamedTuple):
    """What a file system of some size has to keep free and to give beforehand."""

    low_water: int
    least: int
    ballast: int
    log: int


def sizes(total: int) -> Sizes:
    """The mark is 1 % of the file system, at most 64 MB; the least that it can be is what ballast and one turn need."""
    ballast = _within(64 * KB, total // 64, 1 * MB)
    turn = _within(64 * KB, total // 16, 3 * MB)
    log = _within(128 * KB, total // 16, 8 * MB)
    least = ballast + turn
    return Sizes(max(min(64 * MB, total // 100), least), least, ballast, log)


def release(folder: str) -> bool:
    """Let the ballast go; whether there was one."""
    try:
        os.unlink(os.path.join(folder, NAME))
    except OSError:
        return False  # it has gone before, or the disk is gone: whoever called is about to find out
    note(f"no space left in {folder}; the ballast is let go, so that ends can be written down")
    return True


class Space:
    """The room that one queue has. `shortage` says in a line why it has none; empty while it has."""

    def __init__(self, folder: str, log: str) -> None:
        self._folder = folder
        self._sizes = sizes(_total(folder))
        self._kept: Dict[str, int] = {os.path.join(folder, NAME): self._sizes.ballast, log: self._sizes.log}
        self._free = 0
        self._next_look: Optional[float] = None
        self._since = 0.0
        self._is_kept = False
        self.low_water = 0
        self.shortage = ""

    @property
    def mark(self) -> int:
        """Bytes that are to be free: what somebody has set (`low_water`), else what suits the file system."""
        return max(self.low_water, self._sizes.least) if self.low_water else self._sizes.low_water

    @property
    def log_pages(self) -> int:
        """Pages after which the database's log is to be emptied: half of what it has beforehand."""
        return self._sizes.log // 2 // 4096

    def make_room(self) -> None:
        """Before the database is opened, which needs a little: if there is nothing at all, let the ballast go."""
        found = os.statvfs(self._folder)
        if found.f_blocks and found.f_bavail * found.f_frsize < self._sizes.ballast:
            release(self._folder)

    def look(self, now: float) -> None:
        """See how much room there is. A change is noted, once."""
        before, self.shortage = self.shortage, self._find()
        self._next_look = now + LOOK if self.shortage else None
        if self.shortage and not before:
            self._since = now
            note(f"{self.shortage}: nothing is taken and nothing starts until there is more")
        elif before and not self.shortage:
            note(f"there is room again, work goes on; for {now - self._since:.0f} s it was so: {before}")

    def check(self, wanted: int) -> None:
        """Refuse what so many more bytes are needed for, if there is no room."""
        if self.shortage or wanted > self._free - self._sizes.ballast > 0:
            why = self.shortage or f"{self._folder} has {_human(self._free)} free, which these jobs would fill"
            raise NoSpace(why, "free some there")

    def has(self, wanted: int) -> bool:
        """Whether there would still be room if so many bytes were taken."""
        return not self.shortage and self._free - wanted > self.mark

    def next_time(self) -> Optional[float]:
        """When to look again although nothing has happened."""
        return self._next_look

    def _find(self) -> str:
        found = os.statvfs(self._folder)
        self._free = found.f_bavail * found.f_frsize
        mark = self.mark + (self.mark // 8 if self.shortage else 0)  # no to and fro at the very mark
        if found.f_blocks and self._free < mark:
            self._is_kept = False
            return f"{self._folder} has {_human(self._free)} free, less than the {_human(mark)} that it must have"
        if found.f_files and found.f_favail < FEW_FILES:
            return f"the file system of {self._folder} can hold no more files"
        return "" if self._is_kept else self._keep()

    def _keep(self) -> str:
        """Take beforehand what ends will need; why that is not possible."""
        for path, size in self._kept.items():
            try:
                _allocate(path, size)
            except OSError as error:
                return f"{path} cannot have {_human(size)}: {error.strerror}"
        self._is_kept = True
        return ""


def _allocate(path: str, size: int) -> None:
    """Give the file blocks up to the size, and leave alone what it holds."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
    finally:
        os.close(fd)


def _total(folder: str) -> int:
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


def _within(low: int, value: int, high: int) -> int:
    return max(low, min(high, value))


def _human(size: int) -> str:
    return f"{size / MB:.1f} MB" if size >= MB else f"{size // KB} KB"
