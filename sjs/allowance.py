"""How much of what a day allows has gone, exactly, whoever else hands in at the same time.

One file for each limited group, changed under a lock. What is about to go is in it under the key of its command before
the first byte leaves, and counts; once it is known what was taken, that counts instead. Of a command that was killed it
is never known, and all that it wanted to send counts until the day is over: the next command sends that.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sjs.core.overflow import Limits, Spent, granted, why_not
from sjs.errors import SjsError
from sjs.promises import Promises, sync_folder
from sjs.values import dataclass, field


def today() -> str:
    """A day ends at midnight, by the clock of whoever hands in."""
    return time.strftime("%Y-%m-%d")


@dataclass
class _Day:
    """What has gone on a day, and what may have, by the keys of commands."""

    day: str
    taken: Spent = field(default=Spent())
    open: dict[str, Spent] = field(default_factory=dict)

    @property
    def spent(self) -> Spent:
        found = self.taken
        for one in self.open.values():
            found = found.plus(one)
        return found


class Allowance:
    """That of one group, for this user. `is_rehearsed`: what is granted counts only here."""

    def __init__(
        self, folder: str, group: str, limits: Limits, day: Callable[[], str] = today, is_rehearsed: bool = False
    ) -> None:
        self._promises = Promises(folder)
        self._path = os.path.join(folder, f"{group}.json")
        self._lock = os.path.join(folder, f"{group}.lock")
        self._limits = limits
        self._day = day
        self._is_rehearsed = is_rehearsed
        self._rehearsed: _Day | None = None

    def grant(self, key: str, prices: Sequence[float | None]) -> tuple[list[bool], str]:
        """Which of these jobs may go, which is durable on return; and why others may not."""
        with self._locked() as day:
            spent = day.spent
            found, new = granted(prices, spent, self._limits)
            if any(found):
                day.open[key] = day.open.get(key, Spent()).plus(new)
                self._write(day)
        left = [price for price, may_go in zip(prices, found, strict=True) if not may_go]
        return found, why_not(left, spent.plus(new), self._limits) if left else ""

    def settle(self, key: str, taken: Spent, of: Spent | None = None) -> None:
        """Of what was granted under the key, all or so much of it, this was taken."""
        with self._locked() as day:
            if key in day.open:  # else it was granted on another day, and does not count on this one
                left = Spent() if of is None else day.open[key].less(of)
                if left.jobs > 0:
                    day.open[key] = left
                else:
                    del day.open[key]
                day.taken = day.taken.plus(taken)
                self._write(day)

    @contextmanager
    def _locked(self) -> Iterator[_Day]:
        self._promises.make()
        with open(os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._rehearsed or self._read()

    def _read(self) -> _Day:
        day = self._day()
        try:
            with open(self._path, encoding="utf-8") as source:
                body = json.load(source)
            if body["day"] != day:
                return _Day(day)
            return _Day(day, Spent(*body["taken"]), {key: Spent(*one) for key, one in body["open"].items()})
        except FileNotFoundError:
            return _Day(day)
        except (ValueError, KeyError, TypeError) as error:
            raise SjsError(f"{self._path} cannot be understood ({error!r:.80})", f"rm {self._path}") from None

    def _write(self, day: _Day) -> None:
        if self._is_rehearsed:
            self._rehearsed = day
            return
        with open(f"{self._path}.new", "w", encoding="utf-8") as target:
            json.dump({"day": day.day, "taken": day.taken, "open": day.open}, target)
            target.flush()
            os.fdatasync(target.fileno())
        os.rename(f"{self._path}.new", self._path)
        sync_folder(self._promises.folder)
