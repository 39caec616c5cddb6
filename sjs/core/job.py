"""The values that the whole product speaks of. All are frozen; a change makes a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, List, Optional, Sequence, Tuple

MAX_COMMAND_BYTES = 131_071  # Linux: one string of an argv, its NUL included, is at most 128 KiB


FAIL = "fail"
REQUEUE = "requeue"
ON_LOST = (FAIL, REQUEUE)
"""What becomes of a job whose attempt is lost: nothing more, or it is queued again."""


@dataclass(frozen=True)
class Spec:
    """What to run: a text for /bin/sh, or an argv that meets no shell. `cwd` None means the project root."""

    command: Optional[str] = None
    argv: Optional[Tuple[str, ...]] = None
    cwd: Optional[str] = None
    on_lost: str = FAIL

    @property
    def program(self) -> Tuple[str, ...]:
        """The argv that the machine executes."""
        if self.argv is not None:
            return self.argv
        return ("/bin/sh", "-c", self.command or "")


@dataclass(frozen=True)
class End:
    """How an attempt ended. `exit` is None when a signal ended it or nobody can know."""

    reason: str  # exit, signal, cancelled, spawn-error, host-lost
    exit: Optional[int] = None
    signal: Optional[int] = None
    detail: str = ""


@dataclass(frozen=True)
class Job:
    """One command and all that is known of it."""

    id: int
    spec: Spec
    state: str
    submitted: float
    attempt: int = 0
    started: Optional[float] = None
    ended: Optional[float] = None
    pid: Optional[int] = None
    end: Optional[End] = None


@dataclass(frozen=True)
class Report:
    """A target's answer to "how are you": what placement needs to choose."""

    name: str
    running: int
    max_running: int
    queued: int

    @property
    def free(self) -> int:
        """Slots that a new job would get at once."""
        return max(0, self.max_running - self.running - self.queued)


Range = Tuple[int, int]


def ranges(ids: Iterable[int]) -> List[Range]:
    """Ascending ids as closed ranges."""
    found: List[Range] = []
    for number in ids:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def contains(wanted: Sequence[Range], number: int) -> bool:
    """Whether one of the ranges holds the number."""
    return any(low <= number <= high for low, high in wanted)
