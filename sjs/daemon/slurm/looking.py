"""When Slurm is asked what has become of jobs, and how. One question for all of them, and none too often: the less
happens, and the fewer people wait, the longer the pauses."""

from __future__ import annotations

import os
from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Tuple

from sjs.daemon.ground.notes import note
from sjs.daemon.slurm import words
from sjs.daemon.slurm.calls import Calling, Result
from sjs.daemon.slurm.task import Task

FOLDERS = (0.5, 1.0, 15.0)
QUEUE = (2.0, 10.0, 60.0)
"""Seconds between two looks: at least, at most while somebody waits, and at most."""

GROWTH = 1.5

Found = Optional[Dict[Tuple[str, int], words.Seen]]


class Pace:
    """The pauses between looks of one kind."""

    def __init__(self, least: float, attended: float, most: float) -> None:
        self._bounds = least, attended, most
        self._pause = least
        self._last = float("-inf")
        self.at = 0.0
        self.is_attended = False

    def look(self, now: float) -> None:
        """One is taken."""
        self._last = now
        self.at = now + self._pause

    def went(self, changed: bool) -> None:
        """What the last one has shown."""
        least, attended, most = self._bounds
        longest = attended if self.is_attended else most
        self._pause = least if changed else min(longest, self._pause * GROWTH)
        self.at = self._last + self._pause

    def soon(self, now: float) -> None:
        """Something is about to happen."""
        self._pause = self._bounds[0]
        self.at = min(self.at, max(now, self._last + self._pause))


class Looking:
    """The looks at what nodes leave in folders, and at Slurm's queue."""

    PATIENCE = 5.0
    """Seconds for which what a node has left may be on its way over a network."""

    LOST = 120.0
    """Seconds after which a job is given up of which Slurm tells nothing, and nobody else does."""

    def __init__(self, calls: Calling, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix
        self._folders = Pace(*FOLDERS)
        self._queue = Pace(*QUEUE)
        self._asks = False
        self._line: Deque[Tuple[Task, Callable[[str, Optional[str]], None]]] = deque()
        self._asks_how = False
        self._now = 0.0

    def attend(self, is_awaited: bool, now: float) -> None:
        """Whether somebody waits."""
        self._folders.is_attended = self._queue.is_attended = is_awaited
        if is_awaited:
            self.soon(now)

    def soon(self, now: float) -> None:
        """Something is about to happen."""
        self._folders.soon(now)
        self._queue.soon(now)

    def folders_are_due(self, now: float) -> bool:
        if now < self._folders.at:
            return False
        self._folders.look(now)
        return True

    def have_looked(self, changed: bool) -> None:
        """What that has shown."""
        self._folders.went(changed)

    def queue_is_due(self, now: float) -> bool:
        return not self._asks and now >= self._queue.at

    def next_time(self) -> float:
        return self._folders.at if self._asks else min(self._folders.at, self._queue.at)

    def ask(self, now: float, then: Callable[[Found, float], None]) -> None:
        """Have Slurm tell of all jobs of this queue that it knows, those that have just ended among them."""
        self._asks = True
        self._queue.look(now)
        argv = ["squeue", "--noheader", f"--user={os.geteuid()}", "--states=all", f"--format={words.QUEUE}"]
        self._calls.run(argv, lambda result: self._answered(result, now, then), {"SLURM_BITSTR_LEN": "0"})

    def _answered(self, result: Result, asked_at: float, then: Callable[[Found, float], None]) -> None:
        self._asks = False
        if result.status != 0:
            note(f"squeue: {words.complaint(result.err)}")
            self._queue.went(False)
            then(None, asked_at)
            return
        found: Dict[Tuple[str, int], words.Seen] = {}
        for one in words.queue(result.out, self._prefix):
            place = one.key[len(self._prefix) :], one.number
            if place not in found or one.is_alive:
                found[place] = one
        then(found, asked_at)

    def has_answered(self, changed: bool) -> None:
        """What that has shown."""
        self._queue.went(changed)

    # One by one

    def ask_how(self, task: Task, array: str, then: Callable[[str, Optional[str]], None]) -> None:
        """Have Slurm tell how it has ended: a state, and a status if it has one; nothing where it does not know."""
        self._line.append((task, then))
        task.asked_as = f"{array}_{task.number}"
        self._next()

    def _next(self) -> None:
        if self._line and not self._asks_how:
            self._asks_how = True
            task, then = self._line.popleft()
            self._calls.run(
                ["scontrol", "--oneliner", "show", "job", task.asked_as],
                lambda result: self._controller_said(task, then, result),
            )

    def _controller_said(self, task: Task, then: Callable[[str, Optional[str]], None], result: Result) -> None:
        fields = dict(pair.partition("=")[::2] for pair in result.out.split())
        if result.status == 0 and fields.get("JobState"):
            self._tell(then, fields["JobState"], fields.get("ExitCode"))
            return
        argv = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={task.asked_as}"]
        self._calls.run([*argv, "--format=State,ExitCode"], lambda result: self._records_said(then, result))

    def _records_said(self, then: Callable[[str, Optional[str]], None], result: Result) -> None:
        lines: List[str] = result.out.split("\n") if result.status == 0 else []
        state, _, status = (lines[0] if lines else "").strip().partition("|")
        self._tell(then, state, status or None)

    def _tell(self, then: Callable[[str, Optional[str]], None], state: str, status: Optional[str]) -> None:
        self._asks_how = False
        then(state, status)
        self._next()
