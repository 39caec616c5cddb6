"""The jobs of a sweep that nobody has got yet. Several take from it at once, each for a machine of its own."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from sjs.core.job import Spec
from sjs.values import dataclass, field


@dataclass(frozen=True)
class Lot:
    """Jobs that go together, counted in the order in which they left the supply."""

    start: int
    specs: Sequence[Spec] = field(repr=False)


class Supply:
    """Jobs in their order, without those that are `present` somewhere. `most`: so many of them may be unended at a
    time, wherever they are."""

    def __init__(self, specs: Iterator[Spec], present: Counter[str] | None = None, most: int | None = None) -> None:
        self._lock = threading.Lock()
        self._specs = specs
        self._present = present or Counter()
        self._most = most
        self._back: deque[Spec] = deque()
        self._unended: dict[str, int] = {}
        self._start = 0
        self._is_stopped = False
        self._ahead: Spec | None = None
        self.skipped = 0
        self.handed = 0
        """Jobs that left and did not come back."""

    def take(self, name: str, count: int) -> Lot:
        """The next jobs for a machine, at most so many; none where there are none, or no more may be on their way."""
        with self._lock:
            if self._most is not None:
                count = min(count, self._most - sum(self._unended.values()))
            specs: list[Spec] = []
            while len(specs) < count and (spec := self._next()) is not None:
                specs.append(spec)
            lot = Lot(self._start, specs)
            self._start += len(specs)
            self.handed += len(specs)
            self._unended[name] = self._unended.get(name, 0) + len(specs)
            return lot

    def all(self) -> Iterator[Spec]:
        """All of them, for one who deals them out."""
        while lot := self.take("", 1).specs:
            yield from lot

    def give_back(self, name: str, lot: Lot) -> None:
        """The machine has not taken them, and never will."""
        with self._lock:
            self._back.extend(lot.specs)
            self.handed -= len(lot.specs)
            self._unended[name] -= len(lot.specs)

    def saw(self, name: str, unended: int) -> None:
        """So many jobs of the sweep have not ended on that machine."""
        with self._lock:
            self._unended[name] = unended

    def stop(self) -> None:
        """Nobody gets any more."""
        with self._lock:
            self._is_stopped = True

    @property
    def first(self) -> Spec | None:
        """The job that goes next."""
        with self._lock:
            if self._ahead is None:
                self._ahead = self._next()
            return None if self._is_stopped else self._ahead

    @property
    def is_dry(self) -> bool:
        """Whether there is nothing more to take."""
        return self.first is None

    def _next(self) -> Spec | None:
        if self._is_stopped:
            return None
        if self._ahead is not None:
            spec, self._ahead = self._ahead, None
            return spec
        if self._back:
            return self._back.popleft()
        for spec in self._specs:
            setting = spec.task.setting if self._present and spec.task is not None else ""
            if not self._present[setting]:
                return spec
            self._present[setting] -= 1
            self.skipped += 1
        return None
