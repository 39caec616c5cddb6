"""In the manager: `git pull` and `make`, which seed clients may ask for before any of their requests.

The keeper runs them in the project root, outside the slots, one at a time; the request waits for the end of its own.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from sjs.daemon import notes
from sjs.daemon.notes import note

COMMANDS = {"git": "git pull", "make": "make"}
PATIENCE = 600.0
GRACE = 5.0

Order = Callable[[Dict[str, Any]], None]


class Hooks:
    """The hooks that run, or wait for their turn, in the order in which they were asked for."""

    def __init__(self, root: str, log: str, owner: str, order: Order) -> None:
        self._root = root
        self._log = log
        self._prefix = f"hook-{owner}"
        self._order = order
        self._number = 0
        self._line: List[Tuple[str, Sequence[str], Any]] = []
        self._until: Optional[float] = None

    def add(self, names: Sequence[str], request: Any, now: float) -> None:
        """Run these, then give back the request."""
        self._number += 1
        self._line.append((f"{self._prefix}-{self._number}", names, request))
        if len(self._line) == 1:
            self._run(now)

    def ended(self, tag: str, now: float) -> Optional[Any]:
        """The request whose hooks have ended; None if the tag is not the running one's."""
        if not self._line or self._line[0][0] != tag:
            return None
        _, _, request = self._line.pop(0)
        self._until = None
        if self._line:
            self._run(now)
        return request

    def on_time(self, now: float) -> None:
        """End what takes too long; its end then comes as any other."""
        if self._until is not None and now >= self._until:
            self._until = None
            note(f"{self._line[0][0]} took more than {PATIENCE:g} s and is ended")
            self._order({"do": "stop", "tag": self._line[0][0], "grace": GRACE})

    def next_time(self) -> Optional[float]:
        return self._until

    def _run(self, now: float) -> None:
        tag, names, _ = self._line[0]
        self._until = now + PATIENCE
        try:
            notes.put_aside_if_full(self._log)
        except OSError as error:
            note(f"{self._log} is full and could not be put aside: {error}")
        script = "; ".join(COMMANDS[name] for name in names)
        self._order(
            {
                "do": "start",
                "tag": tag,
                "argv": ["/bin/sh", "-c", script],
                "cwd": self._root,
                "env": {},
                "out": self._log,
                "err": self._log,
            }
        )
