"""What Slurm is told to do with jobs that it has: forget those that wait, signal or suspend those that run.

One call at a time, for as many jobs as were named since the last one. What could not be said is said again.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, NamedTuple, Optional, Sequence, Set, Tuple

from sjs.daemon.ground.notes import note
from sjs.daemon.slurm import words
from sjs.daemon.slurm.calls import Calling, Result
from sjs.daemon.slurm.task import Task

CUT = 63
"""What the program on a node kills its job for (`node`)."""

MOST = 100
"""Arrays that one call names."""


class Word(NamedTuple):
    """What is said, and whether it matters enough to be said again."""

    argv: Tuple[str, ...]
    joined: bool
    again: bool


CANCEL = Word(("scancel", "--quiet"), False, True)
"""Not for those that wait alone: of an array that would be all that do, whichever are named."""


SUSPEND = Word(("scontrol", "suspend"), True, False)
RESUME = Word(("scontrol", "resume"), True, False)


class Signals:
    """What is still to be said."""

    AGAIN = 5.0
    """Seconds until something is said again."""

    TRIES = 3
    """How often a job is killed our way, before Slurm has its own."""

    def __init__(self, calls: Calling, array: Callable[[str], str], tell: Callable[[Dict[str, Any]], None]) -> None:
        """`array`: the number that Slurm gave a chunk; `tell`: of those that it did not let stand still, or go on."""
        self._tell = tell
        self._pausing: Dict[Tuple[str, int], Task] = {}
        self._calls = calls
        self._array = array
        self._wanted: Dict[Word, Dict[str, Set[int]]] = {}
        self._afterwards: Deque[Callable[[], None]] = deque()
        self._speaks = False
        self._not_before = 0.0
        self._now = 0.0
        self._last_trouble = ""

    def cancel(self, tasks: Sequence[Task]) -> None:
        """They are not to begin."""
        self._say(CANCEL, tasks)

    def forget(self, array: str, numbers: Sequence[int]) -> None:
        """The same with those of an array that nobody here knows any more."""
        if numbers:
            self._wanted.setdefault(CANCEL, {}).setdefault(array, set()).update(numbers)

    def send(self, name: str, tasks: Sequence[Task]) -> None:
        """A signal to all their processes."""
        self._say(Word(("scancel", "--quiet", "--full", f"--signal={name}"), False, name == "TERM"), tasks)

    def kill(self, tasks: Sequence[Task]) -> None:
        """KILL to all their processes, by the program on the node: what Slurm is told to kill, it asks to end first."""
        self._say(Word(("scancel", "--quiet", "--batch", f"--signal={CUT}"), False, False), tasks)

    def suspend(self, tasks: Sequence[Task], still: bool) -> None:
        """Let them stand still, or go on. Not every user may."""
        for task in tasks:
            task.paused = still
            self._pausing[self._array_of(task), task.number] = task
        self._say(SUSPEND if still else RESUME, tasks)

    def after(self, then: Callable[[], None]) -> None:
        """Do this once everything is said."""
        self._afterwards.append(then)

    def turn(self, now: float) -> None:
        self._now = now
        if self._speaks or now < self._not_before:
            return
        if not self._wanted:
            while self._afterwards:
                self._afterwards.popleft()()
            return
        word = next(iter(self._wanted))
        arrays = self._wanted.pop(word)
        named = dict(list(arrays.items())[:MOST])
        rest = dict(list(arrays.items())[MOST:])
        if rest:
            self._wanted[word] = rest
        ids = [f"{id_}_[{words.expression(list(numbers))}]" for id_, numbers in named.items()]
        self._speaks = True
        argv = [*word.argv, *([",".join(ids)] if word.joined else ids)]
        self._calls.run(argv, lambda result: self._said(word, named, result))

    def next_time(self) -> Optional[float]:
        """When there is something to be said, as far as that waits for a time."""
        return self._not_before if (self._wanted or self._afterwards) and not self._speaks else None

    def _array_of(self, task: Task) -> str:
        return task.seen.id if task.seen is not None else self._array(task.chunk)

    def _say(self, word: Word, tasks: Sequence[Task]) -> None:
        for task in tasks:
            id_ = self._array_of(task)
            if id_:
                self._wanted.setdefault(word, {}).setdefault(id_, set()).add(task.number)

    def _said(self, word: Word, named: Dict[str, Set[int]], result: Result) -> None:
        self._speaks = False
        told = [(id_, number) for id_, numbers in named.items() for number in numbers] if word.joined else []
        pausing = [task for task in (self._pausing.pop(one, None) for one in told) if task is not None]
        if result.status != 0 and pausing:
            still = word == SUSPEND
            for task in pausing:
                task.paused = not still
            self._tell({"on": "not paused", "tags": [one.tag for one in pausing], "still": still})
        if result.status == 0:
            return
        trouble = words.complaint(result.err) if result.err.strip() else ""  # some of them had ended already
        if trouble and trouble != self._last_trouble:
            note(f"{' '.join(word.argv)}: {trouble}")
            self._last_trouble = trouble
        if word.again and words.refusal(result.err) != words.NOW:
            self._not_before = self._now + self.AGAIN
            for id_, numbers in named.items():
                self._wanted.setdefault(word, {}).setdefault(id_, set()).update(numbers)
