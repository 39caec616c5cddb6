"""One output put together of what several requests for it bring, each of which begins a little before the end of the
one before. Pure.

A line carries the time at which it was written. What was read of the last moments is known by these times, which come
again; what lies between two lines of one second is not: two writers of one container (stdout and stderr) may change
places by a little.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterator
from functools import lru_cache

BACK = 1
"""Seconds before the last line at which one begins again."""

MAX_HELD = 1 << 20
"""Bytes of a line without an end that are held back."""

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_SECOND = 10**9


class Seam:
    """`begin` before each request, `take` what it brings, `end` when it has brought all. `has_head`: the first request
    may begin in the middle of a line, of whose rest there is no time."""

    def __init__(self, has_head: bool = False) -> None:
        self._has_head = has_head
        self._read: dict[int, int] = {}
        """How many lines of each of the last moments were read."""
        self._first: int | None = None
        self._last: int | None = None
        self._rest = b""
        self._inside = False
        self._is_new = True
        self._at: int | None = None
        self._given = 0
        """Bytes that were given out of a line whose end has not come, and of which time it is."""
        self._given_at: int | None = None
        self._left = 0
        self.begin()

    @property
    def since(self) -> str:
        """From when on one has to ask; nothing, where it is from the beginning."""
        return "" if self._last is None else _text(self._from(self._last))

    def begin(self, is_other: bool = False) -> None:
        """What comes now is another request's. `is_other`: of another container, which has none of those lines."""
        self._again = dict(self._read)
        self._is_met = self._last is None or is_other
        self._rest, self._inside = b"", False
        if is_other:
            self._given = 0
        self._has_times = False
        self._said = b""
        self.misses = False
        """Whether something may lie between what was read before and what came now."""
        self.is_new = False
        """Whether there was anything that was not read before."""

    def take(self, data: bytes) -> Iterator[bytes]:
        """What of it is new, by lines."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._part(line, b"\n")
        if len(self._rest) > MAX_HELD:
            part, self._rest = self._rest, b""
            yield from self._part(part, b"")

    @property
    def words(self) -> str:
        """What came and is no output: those of who should have brought it."""
        rest = self._rest if not self._inside and parted(self._rest)[0] is None else b""
        return " ".join((self._said + rest).decode("utf-8", "replace").split())

    def end(self) -> Iterator[bytes]:
        """The last line, of which no more comes."""
        if self._rest and (self._inside or parted(self._rest)[0] is not None):
            rest, self._rest = self._rest, b""
            yield from self._part(rest, b"")
        self.misses = self.misses or not self._is_met

    def _part(self, data: bytes, end: bytes) -> Iterator[bytes]:
        """A line, or what there is of one."""
        if not self._inside:
            self._at, data = parted(data)
            if self._at is None and not self._has_times and not (self._has_head and self._last is None):
                self._said += data + end
                return
            self._has_times = self._has_times or self._at is not None
            self._is_new = self._at is None or not self._was_read(self._at)
            self._left = self._given if self._is_new and self._at == self._given_at else 0
        self._inside = not end
        if not self._is_new:
            return
        skipped = min(self._left, len(data))
        self._left -= skipped
        text = data[skipped:] + end
        if end:
            self._given, self._given_at = 0, None
            self._note(self._at)
        else:
            self._given = (self._given if self._given_at == self._at else 0) + len(text)
            self._given_at = self._at
        if text:
            self.is_new = True
            yield text

    def _was_read(self, at: int) -> bool:
        if self._last is None or self._first is None:
            return False
        if self._again.get(at):
            self._again[at] -= 1
            self._is_met = True
            return True
        if at < self._first and not self._is_met:
            return True  # before what was asked for at first
        if not self._is_met:
            self._is_met = self.misses = True
        return False

    def _note(self, at: int | None) -> None:
        if at is None:
            return
        self._read[at] = self._read.get(at, 0) + 1
        self._first = at if self._first is None else self._first
        if self._last is None or at > self._last:
            before, self._last = self._last, at
            if before is None or self._from(before) < self._from(at):
                self._read = {one: count for one, count in self._read.items() if one >= self._from(at) * _SECOND}

    @staticmethod
    def _from(at: int) -> int:
        return at // _SECOND - BACK


def parted(line: bytes) -> tuple[int | None, bytes]:
    """The time of a line in nanoseconds, and what was printed."""
    stamp, space, text = line.partition(b" ")
    found = _STAMP.fullmatch(stamp) if space else None
    if found is None:
        return None, line
    return _seconds(found[1], found[3]) * _SECOND + int((found[2] or b"0").ljust(9, b"0")), text


@lru_cache(16)
def _seconds(moment: bytes, zone: bytes) -> int:
    whole = calendar.timegm(time.strptime(moment.decode(), "%Y-%m-%dT%H:%M:%S"))
    if zone == b"Z":
        return whole
    minutes = int(zone[1:3]) * 60 + int(zone[4:])
    return whole - minutes * 60 * (-1 if zone[:1] == b"-" else 1)


def _text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
