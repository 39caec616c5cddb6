"""In the keeper: one attempt as it is, and its processes: who they are, and signals to all of them."""

from __future__ import annotations

import selectors
import signal
import time
from typing import Any, Dict, List, Optional, Set, Tuple

from sjs.daemon import ending, tree
from sjs.daemon.limits import Limits
from sjs.daemon.watch import Watch

HANDED_OVER = (
    *("tag", "pid", "session", "outputs", "at", "began", "adopted", "unseen", "is_guess"),
    *("cancelled", "broken", "peak", "kill_at", "main_end", "end"),
)
"""What the next keeper is told of an attempt as it is."""


class Attempt:
    """One attempt. `main_end` is how its main process ended; `end` is set once nothing of it is left."""

    def __init__(self, tag: str, pid: int, mark: bytes) -> None:
        self.tag = tag
        self.pid = pid
        self.session = pid or tree.NO_SESSION
        self.mark = mark
        self.outputs: List[str] = []
        self.at = time.time()
        self.began = boot_clock()
        self.unseen = False  # its end was noticed some time after it
        self.adopted = False  # its main process is not our child
        self.watch: Optional[Watch] = None  # … but lives
        self.is_guess = False  # found by its mark: it may be something that the main process left behind
        self.strays: Set[int] = set()
        self.limits = Limits()
        self.cancelled = False
        self.broken: Optional[Dict[str, str]] = None  # the limit for which it is ended, as a part of its end
        self.taken = self.peak = 0  # bytes of memory, of its whole tree, where that is watched
        self.kill_at: Optional[float] = None
        self.main_end: Optional[Dict[str, Any]] = None
        self.end: Optional[Dict[str, Any]] = None

    def as_news(self) -> Dict[str, Any]:
        paused = self.limits.paused is not None
        return {"tag": self.tag, "pid": self.pid, "at": self.at, "end": self.end, "paused": paused}

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        record = {name: getattr(self, name) for name in HANDED_OVER}
        watch = None if self.watch is None else self.watch.hand_over()
        return {**record, "strays": sorted(self.strays), "watch": watch, "limits": self.limits}

    @classmethod
    def resumed(cls, record: Dict[str, Any], mark: bytes, selector: selectors.BaseSelector) -> Attempt:
        """The attempt as it was when it was handed over."""
        attempt = cls(record["tag"], record["pid"], mark)
        for name in HANDED_OVER:
            setattr(attempt, name, record.get(name, getattr(attempt, name)))
        attempt.strays = set(record["strays"])
        attempt.limits = Limits(*record.get("limits", ()))
        attempt.watch = None if record["watch"] is None else Watch.resumed(record["watch"], selector)
        return attempt

    @property
    def has_child(self) -> bool:
        """Whether its main process is a child of ours that was not reaped, so that its pid is nobody else's."""
        return self.pid > 0 and not self.adopted and self.main_end is None

    def is_gone(self) -> bool:
        """Whether nothing of it is left. Of an adopted one we are not told of orphans, so it takes a look."""
        if self.adopted:
            return not self.members()
        return not self.strays and tree.session_is_empty(self._own_session())

    def members(self) -> List[tree.Process]:
        """Its living processes, parents before children."""
        return tree.members(*self.identity())

    def identity(self) -> Tuple[int, bytes]:
        """By what `tree` knows its processes."""
        return self._own_session(), self.mark

    def _own_session(self) -> int:
        """Its session, as long as that is its own: the kernel gives the number to nobody else while somebody is in it.
        So, after its main process has ended, another one of this pid tells that it was empty."""
        leader = tree.stat(self.session) if self.main_end is not None else None
        if leader is not None and not leader.has_ended:
            self.session = tree.NO_SESSION
        return self.session

    def ask_to_end(self) -> int:
        """TERM to every living process of it, and wake the stopped ones so that they notice; how many."""
        processes = self.members()
        ending.ask_to_end(processes, signal.SIGTERM)
        if self.has_child and self.pid not in [one.pid for one in processes]:
            ending.send(self.pid, signal.SIGTERM)  # forked this moment, not yet in a session of its own
        return len(processes)

    def signal(self, number: int, tree: bool) -> None:
        """One signal to every living process of it, or to its main process only."""
        pids = [one.pid for one in self.members()]
        for pid in pids if tree else {self.pid}.intersection(pids):
            ending.send(pid, number)

    def kill(self) -> None:
        """KILL to all of it."""
        ending.cut(self.members)
        if self.has_child:
            ending.send(self.pid, signal.SIGKILL)


def boot_clock() -> float:
    """Seconds since the boot, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
