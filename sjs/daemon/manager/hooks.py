"""In the manager: what the keeper runs for the manager itself, outside the slots: `git pull` and `make`, which seed
clients may ask for before any of their requests, and the look for GPUs. (`hook_runs` has a person's own commands.)

One at a time, each with its time limit, which the keeper sees to. What waits for its end is given back then.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, NamedTuple, Optional, Sequence

from sjs.daemon.ground import notes
from sjs.daemon.ground.notes import note

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

    def __len__(self) -> int:
        return len(self._line)

    def add(self, names: Sequence[str], request: Any) -> None:
        """Run these of `COMMANDS`, then give back the request."""
        self.run(["/bin/sh", "-c", "; ".join(COMMANDS[name] for name in names)], request)

    def run(
        self,
        argv: Sequence[str],
        then: Any,
        patience: float = PATIENCE,
        out: Optional[str] = None,
        env: Optional[Dict[str, str]] = None,
    ) -> None:
        """Run this, for at most so many seconds, and give back what waits for it."""
        self._number += 1
        self._line.append(Task(f"{self._prefix}-{self._number}", argv, then, patience, out, env or {}))
        if len(self._line) == 1:
            self._start()

    def ended(self, tag: str, detail: str = "") -> Optional[Any]:
        """What waited for the one that has ended; None if the tag is not the running one's. `detail`: what the keeper
        says of its end."""
        if not self._line or self._line[0].tag != tag:
            return None
        task = self._line.popleft()
        if detail:
            note(f"{tag} ({task.argv[-1]}): {detail}")
        if self._line:
            self._start()
        return task.then

    def _start(self) -> None:
        task = self._line[0]
        self._order(order(task.tag, task.argv, self._root, self._log, task.patience, task.env, out=task.out))


def order(
    tag: str,
    argv: Sequence[str],
    root: str,
    log: str,
    patience: float,
    env: Dict[str, str],
    **more: Optional[str],
) -> Dict[str, Any]:
    """What the keeper is told to run in the project root, with its output in the log, for at most so many seconds.
    `more`: where `out` goes instead, what `stdin` is."""
    try:
        notes.put_aside_if_full(log)
    except OSError as error:
        note(f"{log} is full and could not be put aside: {error}")
    return {
        "do": "start",
        "tag": tag,
        "argv": list(argv),
        "cwd": root,
        "env": env,
        "out": log,
        "err": log,
        "timeout": patience,
        "grace": GRACE,
        **{name: path for name, path in more.items() if path is not None},
    }
