"""In the keeper: the end of a process that an earlier keeper started, and that is therefore not our child.

Its descriptor tells when it ends (and hangs up when it is reaped), never a look at a pid that may be another's by now.
How it ended the kernel tells to others than its parent too: while it is a zombie, where we have the right to know, and
after that through the descriptor, since Linux 6.15.
"""

from __future__ import annotations

import os
import selectors
import time
from typing import Any, Dict, Optional, Tuple

from sjs.daemon.ground import kernel
from sjs.daemon.keeper import tree

LOOK = 1.0
"""Seconds between looks at a process on kernels that give no descriptor for it."""

REAPED = 1.0
"""Seconds for which a zombie that we may not ask waits for its new parent to reap it."""


class Watch:
    """One process, known by its pid and the ticks between which it began. `status`: its wait status, if that is told;
    `seen`: whether it was still there, so that its end was noticed when it came."""

    def __init__(self, pid: int, born: Tuple[int, int], selector: selectors.BaseSelector) -> None:
        self._pid = pid
        self._born = born
        self._selector = selector
        self._give_up_at: Optional[float] = None
        self.status: Optional[int] = None
        self._fd = kernel.pidfd_open(pid)  # first: what is seen at this pid afterwards is what it stands for
        self.seen = tree.leader(pid, born) is not None
        if not self.seen:
            self._close()
        self._register()

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        return {"fd": self._fd, "pid": self._pid, "born": self._born, "seen": self.seen}

    @classmethod
    def resumed(cls, record: Dict[str, Any], selector: selectors.BaseSelector) -> Watch:
        """The watch as it was when it was handed over."""
        watch = cls.__new__(cls)
        watch._pid, watch._born = record["pid"], (record["born"][0], record["born"][1])
        watch._selector, watch._give_up_at = selector, None
        watch.status, watch.seen = None, record["seen"]
        watch._fd = record["fd"]
        watch._register()
        return watch

    def _register(self) -> None:
        if self._fd is not None:
            self._selector.register(self._fd, selectors.EVENT_READ, self)

    def is_over(self, now: float) -> bool:
        """Whether it has ended, and nothing more will be told of how. Then the watch is over as well."""
        found = tree.leader(self._pid, self._born)
        if found is not None and not found.has_ended:
            return False
        if found is not None and self.status is None:
            self.status = tree.zombie_status(found)
        if self._fd is not None and self.status is None:
            self.status = kernel.wait_status(self._fd)
        if self._fd is not None and self.status is None and found is not None and not self._has_waited(now):
            return False
        self._close()
        return True

    def _has_waited(self, now: float) -> bool:
        """Whether it had its time to be reaped. From now on, the descriptor wakes us only when that happens."""
        if self._give_up_at is None:
            assert self._fd is not None
            self._give_up_at = now + REAPED
            self._selector.modify(self._fd, selectors.EVENT_WRITE, self)  # it never comes; a hang-up comes unasked
        return now >= self._give_up_at

    def next_time(self) -> Optional[float]:
        """When to look even if the descriptor tells nothing."""
        return time.monotonic() + LOOK if self._fd is None else self._give_up_at

    def _close(self) -> None:
        if self._fd is not None:
            if self._fd in self._selector.get_map():
                self._selector.unregister(self._fd)
            os.close(self._fd)
            self._fd = None
