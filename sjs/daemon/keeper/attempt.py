"""In the keeper: one attempt as it is, and by what its processes are known."""

from __future__ import annotations

import math
import selectors
import time
from typing import Any, Dict, FrozenSet, List, Optional, Set

from sjs.daemon.keeper import ending, tree
from sjs.daemon.keeper.limits import Limits
from sjs.daemon.keeper.watch import Watch

HANDED_OVER = (
    *("tag", "pid", "session", "outputs", "at", "began", "adopted", "unseen", "is_guess"),
    *("cancelled", "broken", "peak", "kill_at", "main_end", "end", "slot"),
)
"""What the next keeper is told of an attempt as it is."""


class Attempt:
    """One attempt. `main_end` is how its main process ended; `end` is set once nothing of it is left."""

    def __init__(self, tag: str, pid: int, mark: bytes) -> None:
        self.tag = tag
        self.pid = pid
        self.session = pid or tree.NO_SESSION
        self.mark = mark
        self.slot = -1  # its place, if it has one that others can have next
        self.outputs: List[str] = []
        self.at = time.time()
        self.began = boot_clock()
        self.unseen = False  # its end was noticed some time after it
        self.adopted = False  # its main process is not our child
        self.watch: Optional[Watch] = None  # … but lives
        self.is_guess = False  # found by its mark: it may be something that the main process left behind
        self.strays: Set[int] = set()
        self.seen: FrozenSet[tree.Birth] = frozenset()  # its processes when they were last looked for
        self.limits = Limits()
        self.cancelled = False
        self.broken: Optional[Dict[str, str]] = None  # the limit for which it is ended, as a part of its end
        self.taken = self.peak = 0  # bytes of memory, of its whole tree, where that is watched
        self.kill_at: Optional[float] = None
        self.main_end: Optional[Dict[str, Any]] = None
        self.end: Optional[Dict[str, Any]] = None

    def as_news(self) -> Dict[str, Any]:
        paused = self.limits.paused is not None
        place = {"slot": self.slot} if self.slot >= 0 else {}
        return {"tag": self.tag, "pid": self.pid, "at": self.at, "end": self.end, "paused": paused, **place}

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        record = {name: getattr(self, name) for name in HANDED_OVER}
        watch = None if self.watch is None else self.watch.hand_over()
        processes = {"strays": sorted(self.strays), "seen": sorted(self.seen)}
        return {**record, **processes, "watch": watch, "limits": self.limits}

    @classmethod
    def resumed(cls, record: Dict[str, Any], mark: bytes, selector: selectors.BaseSelector) -> Attempt:
        """The attempt as it was when it was handed over."""
        attempt = cls(record["tag"], record["pid"], mark)
        for name in HANDED_OVER:
            setattr(attempt, name, record.get(name, getattr(attempt, name)))
        attempt.strays = set(record["strays"])
        attempt.seen = frozenset((pid, born) for pid, born in record.get("seen", ()))
        attempt.limits = Limits(*record.get("limits", ()))
        attempt.watch = None if record["watch"] is None else Watch.resumed(record["watch"], selector)
        return attempt

    @property
    def has_child(self) -> bool:
        """Whether its main process is a child of ours that was not reaped, so that its pid is nobody else's."""
        return self.pid > 0 and not self.adopted and self.main_end is None

    def is_empty(self) -> bool:
        """Whether nothing of it is left, as far as its session and the orphans tell that we have been given."""
        if self.strays:
            return False
        return tree.session_is_empty(self.session) or tree.session_is_empty(self._own_session())

    def identity(self) -> tree.Identity:
        """By what `tree` knows its processes."""
        return tree.Identity(self._own_session(), self.mark, self.seen)

    def _own_session(self) -> int:
        """Its session, as long as that is its own: the kernel gives the number to nobody else while somebody is in it.
        So, after its main process has ended, another one of this pid tells that it was empty."""
        leader = tree.stat(self.session) if self.main_end is not None else None
        if leader is not None and not leader.has_ended:
            self.session = tree.NO_SESSION
        return self.session

    def end_unseen(self) -> None:
        """Its main process has ended, and the watch over it: of how, we know what the kernel tells anybody."""
        watch, self.watch = self.watch, None
        assert watch is not None
        self.main_end = {"reason": "host-lost", "detail": "its keeper died before it ended, so nobody saw how"}
        if watch.status is not None and not self.is_guess:
            self.main_end = {**ending.outcome(watch.status), "detail": "its keeper died meanwhile"}
        if not watch.seen:  # its pid may have been given to others since
            self.session, self.unseen = tree.NO_SESSION, True

    def allow(self, grace: float) -> None:
        """It is to end, and has so many seconds until KILL; asked again, never more than before."""
        self.kill_at = min(self.kill_at or math.inf, time.monotonic() + grace)
        self.limits = self.limits.at_resume(boot_clock())

    def break_off(self, reason: str, detail: str, grace: float) -> None:
        """It took more than it may, and is to end for it, also where it is about to end for what came first."""
        if not self.cancelled and self.broken is None:
            self.broken = {"reason": reason, "detail": detail}
        self.allow(grace)


def boot_clock() -> float:
    """Seconds since the boot, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
