"""In the manager: how far the queue has come, in a file of its own. An older copy of the database is held against it.

    ceiling    no id from here on was ever given; durable before the first id below it is
    next       the next id, when a turn was last committed
    started    no job from here on was ever started

Only `ceiling` is synced, once for many ids; the others survive a kill, and after a power cut are too low at worst.
"""

from __future__ import annotations

import os
from typing import NamedTuple

STEP = 10_000
FORM = "ceiling {:020d} next {:020d} started {:020d}\n"


class Mark(NamedTuple):
    """What the file says."""

    ceiling: int = 0
    next: int = 0
    started: int = 0


class Marks:
    """The file, overwritten in place: that needs no room on a full disk."""

    def __init__(self, path: str) -> None:
        self.last = read(path)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._write(self.last)

    def before_commit(self, next_id: int) -> None:
        """Ids below this one are about to be given."""
        if next_id > self.last.ceiling:
            self._write(self.last._replace(ceiling=(next_id // STEP + 1) * STEP))
            os.fdatasync(self._fd)

    def after_commit(self, next_id: int, started: int) -> None:
        """The turn is durable; what it starts is started now."""
        if (next_id, started) != self.last[1:]:
            self._write(Mark(self.last.ceiling, next_id, started))

    def close(self) -> None:
        os.close(self._fd)

    def _write(self, mark: Mark) -> None:
        self.last = mark
        os.pwrite(self._fd, FORM.format(*mark).encode("ascii"), 0)


def read(path: str) -> Mark:
    """The file as it is; zeros when there is none, or when it cannot be understood."""
    try:
        with open(path, encoding="ascii", errors="replace") as source:
            words = source.read().split()
    except FileNotFoundError:
        return Mark()
    numbers = words[1::2]
    if len(numbers) != len(Mark._fields) or not all(one.isdigit() for one in numbers):
        return Mark()
    return Mark(*map(int, numbers))
