"""In the manager: what the keeper runs for the manager itself, outside the slots: `git pull` and `make`, which seed
clients may ask for before any of their requests; the look for GPUs; a person's commands at starts and ends of jobs.

One at a time, each with its time limit. What waits for its end is given back then.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, NamedTuple, Optional, Sequence

from sjs.daemon import notes
from sjs.daemon.notes import note

COMMANDS = {"git": "git pull", "make": "make"}
PATIENCE = 600.0
GRACE = 5.0

Order = Callable[[Dict[str, Any]], None]


class Task(NamedTuple):
    """What is to be run, and what waits for its end. `out`: a file for its output alone."""

    tag: str
    argv: Sequence[str]
    then: Any
    patience: float
    out: Optional[str]
    env: Dict[str, str]


class Hooks:
    """What runs, or waits for its turn, in the order in which it was asked for."""

    def __init__(self, root: str, log: str, owner: str, order: Order) -> None:
        self._root = root
        self._log = log
        self._prefix = f"hook-{owner}"
        self._order = order
        self._number = 0
        self._line: Deque[Task] = deque()
        self._until: Optional[float] = None

    def __len__(self) -> int:
        return len(self._line)

    def add(self, names: Sequence[str], request: Any, now: float) -> None:
        """Run these of `COMMANDS`, then give back the request."""
        self.run(["/bin/sh", "-c", "; ".join(COMMANDS[name] for name in names)], request, now)

    def run(
        self,
        argv: Sequence[str],
        then: Any,
        now: float,
        patience: float = PATIENCE,
        out: Optional[str] = None,
        env: Optional[Dict[str, str]] = None,
    ) -> None:
        """Run this, for at most so many seconds, and give back what waits for it."""
        self._number += 1
        self._line.append(Task(f"{self._prefix}-{self._number}", argv, then, patience, out, env or {}))
        if len(self._line) == 1:
            self._start(now)

    def ended(self, tag: str, now: float) -> Optional[Any]:
        """What waited for the one that has ended; None if the tag is not the running one's."""
        if not self._line or self._line[0].tag != tag:
            return None
        task = self._line.popleft()
        self._until = None
        if self._line:
            self._start(now)
        return task.then

    def on_time(self, now: float) -> None:
        """End what takes too long; its end then comes as any other."""
        if self._until is not None and now >= self._until:
            self._until = None
            task = self._line[0]
            note(f"{task.tag} took more than {task.patience:g} s and is ended")
            self._order({"do": "stop", "tag": task.tag, "grace": GRACE})

    def next_time(self) -> Optional[float]:
        return self._until

    def _start(self, now: float) -> None:
        task = self._line[0]
        self._until = now + task.patience
        try:
            notes.put_aside_if_full(self._log)
        except OSError as error:
            note(f"{self._log} is full and could not be put aside: {error}")
        self._order(
            {
                "do": "start",
                "tag": task.tag,
                "argv": list(task.argv),
                "cwd": self._root,
                "env": task.env,
                "out": task.out or self._log,
                "err": self._log,
            }
        )
