"""One attempt in Slurm's hands."""

from __future__ import annotations

from typing import Any, Dict, Optional

from sjs.daemon.slurm.chunks import Mark
from sjs.daemon.slurm.words import Seen


class Task:
    """The `number`th of its chunk. `mark`: what its node left when it began; `own`: what that left of its end."""

    def __init__(self, tag: str, chunk: str, number: int) -> None:
        self.tag = tag
        self.chunk = chunk
        self.number = number
        self.mark: Optional[Mark] = None
        self.own: Optional[Dict[str, Any]] = None
        self.end: Optional[Dict[str, Any]] = None
        self.seen: Optional[Seen] = None
        self.silent_since: Optional[float] = None  # Slurm tells no more of it, or that it is over, …
        self.over: Optional[Seen] = None  # … in these words
        self.is_doubtful = False  # as Slurm forgets what it has started last when it dies, it started that again
        self.asks: Optional[str] = None  # the state for which it is being asked how it ended …
        self.asked_as = ""  # … under this name
        self.cancelled = False
        self.grace = 0.0
        self.kill_at: Optional[float] = None
        self.kills = 0
        self.paused = False

    @property
    def has_begun(self) -> bool:
        """Whether a node has begun it."""
        return self.mark is not None and bool(self.mark.host)

    @property
    def place(self) -> Dict[str, str]:
        """What records tell of where it is."""
        found = {} if self.seen is None else self.seen.place
        if self.mark is not None and self.mark.id:
            found = {**found, "id": self.mark.id, "node": self.mark.host}
        return found

    def as_news(self) -> Dict[str, Any]:
        begun = self.mark if self.mark is not None and self.mark.host else Mark()
        where = {"place": self.place} if self.place else {}
        told = {"tag": self.tag, "pid": begun.pid, "at": begun.at, "end": self.end, "paused": self.paused}
        return {**told, **where}
