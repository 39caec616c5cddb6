"""What machines answer, as values that pass through the floors of the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sjs.core.job import Job, Range, Report, Spec
from sjs.values import dataclass, field


@dataclass(frozen=True)
class Accepted:
    """The answer to a chunk of jobs: their ids count up from `first`, or are `ids`. `repeated`: its key had been used
    before."""

    first: int
    count: int
    max_running: int
    repeated: bool = False
    ids: Sequence[Range] = ()

    @property
    def ranges(self) -> Sequence[Range]:
        """The ids of the jobs."""
        return self.ids or [(self.first, self.first + self.count - 1)]


@dataclass(frozen=True)
class Waiting:
    """A queued job as `status` names it. `id`: None where the manager does not tell."""

    id: int | None
    command: str


@dataclass(frozen=True)
class Status:
    """A target's answer to "how are you"; `head` names the first queued jobs."""

    report: Report
    head: Sequence[Waiting]
    counts: Mapping[str, int]
    host: str
    pid: int
    root: str
    version: str
    keep: Mapping[str, int] = field(default_factory=dict)
    """For how many days the output of ended jobs is kept, and of how many the records; 0 is for ever, and all."""
    program: str = ""
    """Where the code lies that it runs."""
    trouble: str = ""
    """Why nothing starts at present."""
    drained: bool = False
    """Somebody has said that nothing new is to start, …"""
    paused: bool = False
    """… or that all is to stand still."""
    moving: int = 0
    """How many jobs are on their way to other queues."""
    load: float | None = None
    """How many processes want to run on that machine, whosever they are, …"""
    mem_free: int | None = None
    """… and the memory that is free there; None where the manager does not say."""


@dataclass(frozen=True)
class Configured:
    """The maximum before and now, and how everything else is set, by the names of `configure`'s fields."""

    old: int
    new: int
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancelled:
    """What became of jobs whose end was asked for: never started, being ended now, or ended before. `signalled`: only a
    signal was asked for, and they got it. `moving`: they are between two queues, and nothing was done."""

    cancelled: Sequence[Range]
    stopping: Sequence[Range]
    ended: Sequence[Range]
    signalled: Sequence[Range] = ()
    moving: Sequence[Range] = ()


@dataclass(frozen=True)
class Filter:
    """Which jobs are wanted: whose name fits the pattern, with this tag, to which something has happened since, of this
    sweep."""

    name: str | None = None
    tag: tuple[str, str] | None = None
    since: float | None = None
    sweep: str | None = None


@dataclass(frozen=True)
class SweepCounts:
    """How many of a sweep's jobs, of all that there ever were on a target, are in which state; and when the oldest and
    the newest came of which there is a record."""

    name: str
    counts: Mapping[str, int]
    began: float | None = None
    grew: float | None = None


@dataclass(frozen=True)
class Members:
    """Some jobs of a sweep, in the order of their ids, and what each of them tries (`Task.setting`)."""

    jobs: Sequence[Range]
    settings: Sequence[str]


@dataclass(frozen=True)
class Details:
    """All that is known of a job: its earlier attempts, for which it waited, and who waits for it. `raw`: what others
    keep of it, as they have it."""

    job: Job
    attempts: Sequence[Mapping[str, Any]]
    children: Sequence[int]
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waited:
    """`done`: all jobs have ended. `counts`: how many are in which state. `job`: the one job asked about."""

    done: bool
    counts: Mapping[str, int]
    job: Job | None = None


@dataclass(frozen=True)
class Move:
    """Jobs on their way to another target, `size` in all. `first`: the id of the first of them there; STAYED; None
    while it is not settled: then `jobs` are they, by the ids that they have here, and `via` the word by which they came
    to be there."""

    key: str
    target: str
    at: float
    size: int
    first: int | None
    jobs: Sequence[tuple[int, Spec]] = ()
    via: str = ""


STAYED = -1
"""The first id over there of jobs that came back."""


@dataclass(frozen=True)
class Piece:
    """Some output of a job; `stream` is "out" or "err", `start` its place in that, where this is known."""

    stream: str
    data: bytes
    start: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Sight:
    """A queue while somebody looks on: its status, its first jobs that run or wait, and of those that run the last line
    that they have printed, by id."""

    status: Status
    jobs: Sequence[Job]
    lines: Mapping[int, str]


@dataclass(frozen=True)
class Facts:
    """What a machine has, and how it is. `delay`: the seconds of a question and its answer; `ahead`: by how many its
    clock is ahead of ours, give or take half of that."""

    host: str
    version: str
    python: str
    user: str
    cpus: int
    load: float
    mem: int
    mem_free: int
    gpus: Sequence[Mapping[str, Any]]
    disk: Mapping[str, Any]
    delay: float = 0.0
    ahead: float = 0.0
    noise: str = ""
    """What its login shell has printed, which is none of our business."""


@dataclass(frozen=True)
class Check:
    """What was looked at, the verdict (ok, warn, fail), what was found, and what mends it."""

    name: str
    verdict: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Remains:
    """Where that is, or would be, which an attempt of a job has left: below the folder `at` its folder for artifacts,
    and its checkout."""

    at: str
    artifacts: str
    tree: str


@dataclass(frozen=True)
class Exit:
    """How a command ended: by itself, or by a signal."""

    status: int | None
    signal: int | None = None


@dataclass(frozen=True)
class Boot:
    """By whom a manager is started with its machine (systemd, cron), or no more; the name under which they know it; and
    what root has to say before."""

    by: Sequence[str]
    name: str = ""
    lacking: str = ""


@dataclass(frozen=True)
class Gate:
    """A line of the file at the path; `changed`: whether the file is another one now."""

    line: str
    path: str
    changed: bool


@dataclass(frozen=True)
class Occupied:
    """Jobs of a cluster that ask for the same: how many there are that have not ended, how many of them are one's own,
    and how many run, where that is known. `mem` is bytes; `gpus` are by their kinds."""

    flavor: str
    cpus: float
    mem: int
    gpus: Mapping[str, int]
    total: int
    mine: int
    running: int | None = None


@dataclass(frozen=True)
class Occupancy:
    """What all users of a cluster have in it. `updated`: when somebody looked, if that is not now; `alone`: the one
    namespace that could be looked at, if it is not all; `notice`: what else is to be said of it; `by`: what `flavor` is
    there."""

    rows: Sequence[Occupied]
    updated: str = ""
    alone: str = ""
    notice: str = ""
    by: str = "flavor"


@dataclass(frozen=True)
class Flavor:
    """A set of resources that has a name: what is asked for, and the most that one gets. `usual`: it is taken where
    none is named."""

    name: str
    description: str
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    usual: bool = False


@dataclass(frozen=True)
class Image:
    """An image in which jobs can run, and what is said of it."""

    name: str
    tags: Sequence[str] = ()
    description: str = ""
