"""Lets to the machines of an overflow, while a sweep is attended, only what the others have no room for.

The jobs that nobody has got yet wait here and not in a queue, so all of them would have to wait once the others are
full. But these get done with what they have, and come back for more; so an overflow gets what it can start at once,
and no more than twice what it has.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from sjs.core.job import Spec
from sjs.routing import Notice
from sjs.sharing import Spill


class Valve:
    """One for a sweep; `own`: those of the group itself."""

    def __init__(self, spill: Spill, key: str, own: Iterable[str], notice: Notice) -> None:
        self._spill = spill
        self._key = key
        self._notice = notice
        self._unheard = set(own)
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._went: Counter[str] = Counter()
        self._told: set[str] = set()
        self._open_if_full()

    def is_for(self, name: str) -> bool:
        """Whether this target gets only what overflows."""
        return name in self._spill.overflow.names

    def full(self, name: str) -> None:
        """This one of the group has got what it has room for, or gets none."""
        with self._lock:
            self._unheard.discard(name)
            self._open_if_full()

    def wait(self) -> None:
        """Until all of the group are full, or all is over."""
        self._opened.wait()

    def close(self) -> None:
        """All is over: nobody waits any longer. Says what went."""
        self._opened.set()
        with self._lock:
            went, self._went = self._went, Counter()
        for name, count in went.items():
            jobs = "1 job" if count == 1 else f"{count} jobs"
            self._notice(name, f"{jobs} went to {name}: {self._spill.overflow.group} was full (overflow)")

    def let(self, name: str, specs: Sequence[Spec]) -> Sequence[bool]:
        """Which of these may go there today."""
        with self._lock:
            found, why_not = self._spill.grant(self._key, [(name, spec) for spec in specs])
            if why_not and why_not not in self._told:
                self._told.add(why_not)
                self._notice(name, f"gets no more of what overflows from {self._spill.overflow.group}: {why_not}")
        return found

    def settle(self, name: str, specs: Sequence[Spec], taken: bool) -> None:
        """What became of jobs that it was let have."""
        with self._lock:
            self._spill.settle(self._key, [(name, specs)] if taken else [], [(name, specs)])
            self._went[name] += len(specs) if taken else 0

    def _open_if_full(self) -> None:
        if not self._unheard:
            self._opened.set()
