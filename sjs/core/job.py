"""The values that the whole product speaks of. All are frozen; a change makes a new one."""

from __future__ import annotations

import json
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Tuple

from sjs.core.needs import Grant, Machine, Needs
from sjs.values import dataclass

Range = Tuple[int, int]

MAX_COMMAND_BYTES = 131_071  # Linux: one string of an argv, its NUL included, is at most 128 KiB

GRACE = 10.0
"""Seconds between TERM and KILL for a job that names none."""

FAIL = "fail"
REQUEUE = "requeue"
ON_LOST = (FAIL, REQUEUE)
"""What becomes of a job whose attempt is lost: nothing more, or it is queued again."""

AFTER = ("ok", "any", "notok")
"""What others are to have done before a job starts: succeeded, ended, or ended otherwise."""

RETRY_ON = ("fail", "timeout", "oom", "lost", "spawn-error")
"""Ends after which a job may be tried again; besides these, exit:N and signal:N."""


@dataclass(frozen=True)
class Retry:
    """How often a job is tried again, after which ends, and how long it waits: `delay`, each time `factor` longer."""

    count: int = 0
    delay: float = 0.0
    factor: float = 1.0
    on: Tuple[str, ...] = ("fail", "timeout", "oom")


@dataclass(frozen=True)
class Snapshot:
    """A tree of files as it was when the job was handed in, by its digest: that of `commit`, if it came from a
    repository, and where files were otherwise then, `diff` is the digest of those."""

    id: str
    commit: str = ""
    diff: str = ""


@dataclass(frozen=True)
class Task:
    """Which one of a sweep's jobs it is: its number there, from 1 on, and what the sweep's parameters are in it."""

    sweep: str
    number: int
    values: Tuple[Tuple[str, str], ...] = ()

    @property
    def setting(self) -> str:
        """What tells it from the others of its sweep, whatever their order."""
        import hashlib  # it loads OpenSSL, which most who load this have no use for

        return hashlib.sha256(json.dumps(sorted(self.values)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Spec:
    """What to run: a text for /bin/sh, or an argv that meets no shell.

    `cwd` None means the project root, or the top of the `snapshot`; `env_base` names an environment that the queue
    keeps; `at` is the wall time before which it does not start; `timeout` and `grace` are seconds; `native` is what it
    says to targets of one kind alone, as JSON by the kind's name; with `artifacts` each attempt is given an empty
    folder for files that somebody is to collect.
    """

    command: Optional[str] = None
    argv: Optional[Tuple[str, ...]] = None
    cwd: Optional[str] = None
    name: str = ""
    tags: Tuple[Tuple[str, str], ...] = ()
    env: Tuple[Tuple[str, str], ...] = ()
    env_base: str = ""
    needs: Needs = Needs()
    priority: int = 0
    timeout: Optional[float] = None
    grace: Optional[float] = None
    retry: Retry = Retry()
    after: Tuple[Tuple[str, Tuple[Range, ...]], ...] = ()
    at: Optional[float] = None
    hold: bool = False
    on_lost: str = FAIL
    stdin: Optional[str] = None
    merge: bool = False
    nice: int = 0
    snapshot: Optional[Snapshot] = None
    task: Optional[Task] = None
    native: Tuple[Tuple[str, str], ...] = ()
    artifacts: bool = False

    def but(self, **fields: Any) -> Spec:
        """The same with other fields, made without a check of each: a file may have a million lines."""
        other: Spec = object.__new__(Spec)
        other.__dict__.update(self.__dict__, **fields)
        return other

    @property
    def is_known(self) -> bool:
        """Whether it says what to run; where that can not be read any more, a queue has the rest of it."""
        return self.argv is not None or self.command is not None

    @property
    def program(self) -> Tuple[str, ...]:
        """The argv that the machine executes."""
        if self.argv is not None:
            return self.argv
        return ("/bin/sh", "-c", self.command or "")


@dataclass(frozen=True)
class End:
    """How an attempt ended. `exit` is None when a signal ended it or nobody can know."""

    reason: str  # exit, signal, timeout, oom, cancelled, dependency, spawn-error, host-lost, moved
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
    usage: Optional[Mapping[str, float]] = None
    gpus: Grant = ()
    due: Optional[float] = None
    paused: bool = False
    retried: int = 0
    """How many attempts there had been when somebody asked for another one."""
    submitter: str = ""
    """Who brought it through a gate."""
    via: str = ""
    """The word for several targets by which it came here, out of which this one was chosen: `any`, `any:@gpus`."""
    place: Tuple[Tuple[str, str], ...] = ()
    """Where others run it for the queue, as they call it: Slurm's `id`, `partition` and `node`."""


@dataclass(frozen=True)
class Health:
    """How the last jobs of a machine ended: how many failed at once, how many of these in ways that are more often a
    machine's fault, of how many commands they were, and how most of them failed."""

    ends: int = 0
    faults: int = 0
    of_machine: int = 0
    commands: int = 0
    why: str = ""


@dataclass(frozen=True)
class Report:
    """A target's answer to "how are you": what placement needs to choose.

    `machine`: what it has, None where nobody says; `taken`, `granted`: what of that is taken. `drained`: nothing new
    is to start there; `sick`: why it had better get no jobs, which only a look at others can tell. `boundless`: nobody
    can say what it has, so a job may need anything.
    """

    name: str
    running: int
    max_running: int
    queued: int
    drained: bool = False
    machine: Optional[Machine] = None
    taken: Needs = Needs(slots=0)
    granted: Grant = ()
    health: Health = Health()
    sick: str = ""
    boundless: bool = False

    @property
    def free(self) -> int:
        """Slots that a new job would get at once."""
        return 0 if self.drained else max(0, self.max_running - self.running - self.queued)


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
