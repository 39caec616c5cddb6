"""The interfaces between the floors of the client, and the values that pass through them.

    Transport, Stream   how bytes reach a machine; knows nothing of what they say
    Target              what can be asked of one entry under `managers:`

A deadline is a value of `time.monotonic()`. Whoever waits takes one, and raises TimeoutError when it has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sjs.answers import (
        Accepted,
        Boot,
        Cancelled,
        Check,
        Configured,
        Details,
        Exit,
        Facts,
        Filter,
        Flavor,
        Gate,
        Image,
        Members,
        Move,
        Occupancy,
        Piece,
        Remains,
        Sight,
        Status,
        SweepCounts,
        Waited,
    )
    from sjs.core.job import Job, Range, Spec
    from sjs.core.metrics import Measured, Values
    from sjs.departure import Departure
    from sjs.snapshots.store import Store
    from sjs.trees.entries import Entry
    from sjs.trees.tally import Tally, Watch

Ask = Callable[[str], str | None]
"""Puts a question to a person and gives what was typed, unseen; None when nobody did."""


Envs = Mapping[str, Mapping[str, str]]
"""Environments by digest."""


class Stream(Protocol):
    """Two-way bytes to one process over there. Once nothing more can come it raises LinkLost: Ended, if that process
    has ended, and not what lies between."""

    def send(self, data: bytes, deadline: float) -> None:
        """Hand over all of the data."""

    def hang_up(self) -> None:
        """Break it, from any thread and without waiting: whoever waits for it gets LinkLost."""

    def line(self, deadline: float) -> bytes:
        """The next line, without its end. What has arrived of it stays for the next call when time runs out."""

    def take(self, count: int, deadline: float) -> bytes:
        """Exactly the next `count` bytes."""

    def close(self) -> None:
        """End the stream and the process; called any number of times."""


class Transport(Protocol):
    """A way to a machine."""

    def open(self, argv: Sequence[str]) -> Stream:
        """Run a program there. Raises Unreachable."""

    def close(self) -> None:
        """Let go of what the streams shared, if they did; called any number of times, and open() may follow."""


class Keeping(Transport, Protocol):
    """One by which a session outlives a command."""

    def open_named(self, argv: Sequence[str], name: bytes) -> tuple[Stream, bytes]:
        """Run a program there; or the stream that somebody has left under this name, and what he has noted of it."""


class Lasting(Stream, Protocol):
    """A stream of such a one."""

    def leave(self, name: bytes, note: bytes) -> None:
        """Close it, and have it for the next command that asks for this name."""


class Progress(Protocol):
    """Hears of work that may take long, and tells the person when it does."""

    def at(self, done: int, total: int) -> None:
        """So many bytes are done."""


class Machine(Protocol):
    """A target's machine, without its queue. Over the same connection as the target, by the same thread."""

    def facts(self) -> Facts:
        """What it has."""

    def checks(self, settings: Mapping[str, Any]) -> Sequence[Check]:
        """Whether it is fit for the queue; `settings`: what its entry says that only its kind knows."""

    def slurm_queue(self) -> Occupancy:
        """What all users have in the Slurm of a login node."""

    @property
    def program(self) -> str:
        """Where our code for it lies there."""

    def upgrade(self) -> None:
        """Have that code manage the queue from now on; jobs run on."""

    def boot(self, on: bool) -> Boot:
        """Have the manager started whenever it starts, or no more."""

    def deploy(self, url: str, pull: bool, make: bool) -> Iterator[Piece]:
        """Have the project folder, cloned from there if it is empty, else pulled; then made. What the tools print."""

    def gate(self, name: str, key: str, options: Sequence[str], install: bool) -> Gate:
        """Let that public key ask so much of the queue and no more: the line of authorized_keys that does it."""

    def close_gate(self, name: str) -> Gate:
        """Take that line out."""

    def bring(self, store: Store, digest: str, progress: Progress) -> None:
        """Have a tree of files there, of which only that is sent which is lacking."""

    def run(self, argv: Sequence[str]) -> Iterator[Piece | Exit]:
        """Run something in the project folder now: what it prints, and at last how it ended."""

    def send(self, path: str, to: str, watch: Watch, delete: bool = False, dry: bool = False) -> Tally:
        """Put a file or a folder of this machine into a folder there; `delete`: and remove there what is not here.
        `dry`: only say what that would come to."""

    def fetch(
        self, jobs: Sequence[Job], globs: Sequence[str], to: str, watch: Watch, dry: bool = False
    ) -> Mapping[int, Tally]:
        """Put the outputs of jobs, and what there is in the folders where they ran that matches, into a folder of this
        machine, in one of its own for each job."""

    def remains(self, job: int, attempt: int) -> Remains:
        """Where that is which an attempt has left."""

    def listed(self, at: str, top: str, trouble: Callable[[str, str], None]) -> Iterator[Entry]:
        """What has the path `top` in a folder, and all below it, whose paths begin with that; `trouble` takes what
        cannot be looked at, and why."""

    def contents(self, at: str, files: Sequence[Entry]) -> Generator[tuple[Entry, bytes | str], None, None]:
        """The bytes of files in a folder, one after the other; or, of one, why there are none, or no more. Each is what
        it was when it was listed."""

    def discard(self, what: str, attempts: Sequence[tuple[int, int]]) -> None:
        """Remove what attempts that have ended have left as `artifacts`, or their checkouts: each its `tree`."""

    def results(self, attempts: Sequence[tuple[int, int]], pattern: str | None = None) -> Measured:
        """What attempts of jobs have printed in numbers, or what a regular expression finds there."""

    def series(
        self, metric: str, jobs: Sequence[Range] | None, timeout: float, pattern: str | None = None
    ) -> Sequence[Values]:
        """The values of one metric that jobs have printed since the same was asked over this connection, at first all;
        once there are any, or after so many seconds."""


class Cluster(Protocol):
    """A target that has no machine, but is a whole cluster of others. Over the same connection as the target."""

    def queue(self) -> Occupancy:
        """What all its users have in it, by what they ask for."""

    def flavors(self) -> Sequence[Flavor]:
        """The sets of resources that have names."""

    def images(self) -> Sequence[Image]:
        """The images that jobs can run in, with their tags."""

    def image(self, name: str) -> Image:
        """What is said of one."""

    def rehearse(self, specs: Sequence[Spec], envs: Envs) -> Sequence[Mapping[str, Any]]:
        """What would be in the cluster for these jobs, as it would have it; nothing is."""


class Target(Protocol):
    """One manager. Used by one thread at a time; opened by the first question, kept open until closed."""

    @property
    def name(self) -> str:
        """The entry's name."""

    def report(self, head: int = 0) -> Status:
        """How the manager is, with the first `head` queued jobs."""

    def post(
        self,
        key: str,
        specs: Sequence[Spec],
        again: bool = False,
        if_free: bool = False,
        envs: Envs | None = None,
        via: str = "",
    ) -> None:
        """Send one chunk of jobs under a key of its own, without waiting for the answer. `again`: the key may have
        been used before; `if_free`: they are to be refused unless there is a free slot for each; `envs`: the
        environments that they name by digest; `via`: the word out of whose targets this one was chosen."""

    def collect(self) -> Accepted:
        """The answer to the oldest chunk that has none yet."""

    @property
    def owes(self) -> bool:
        """Whether something was sent of a chunk that has no answer yet: it may have been taken."""

    def environment(self, digest: str) -> Mapping[str, str]:
        """What jobs begin with that name it so."""

    def lookup(self, key: str) -> Sequence[str]:
        """Of all chunks that were taken under "KEY/…", what stands behind the stroke."""

    def configure(self, max_jobs: int | None = None, more: Mapping[str, Any] | None = None) -> Configured:
        """Set the maximum, and more: what is kept (`keep_days`, `keep_jobs`; 0 is all), what is kept free
        (`low_water`; 0 is what suits the disk), what the machine has (`cpus`, `mem`, `gpus`, `resources`; None is what
        is found; `gpu_policy`), what is run for jobs (`on_start`, `on_finish`, `hook_timeout`)."""

    def list(
        self,
        jobs: Sequence[Range] | None = None,
        states: Sequence[str] | None = None,
        newest: int = 0,
        only: Filter | None = None,
    ) -> Iterator[Job]:
        """Jobs by ascending id; `newest`: no more than so many, the last ones."""

    def sweeps(self, name: str | None = None) -> Sequence[SweepCounts]:
        """The sweeps of which there ever was a job, or that one; no job is looked at for it."""

    def members(self, sweep: str, states: Sequence[str] | None = None) -> Iterator[Members]:
        """The jobs of a sweep, or those in one of the states."""

    def details(self, job: int) -> Details:
        """All that is known of a job."""

    def why(self, job: int) -> Sequence[str]:
        """In words, what a job waits for, or how it ended."""

    def change(self, how: str, jobs: Sequence[Range] | None) -> Sequence[Range]:
        """`hold`, `release`, `again`, `pause`, `resume` or `clean` jobs, or all; those that this has changed. All is to
        `pause` and `resume` the manager, too."""

    def drain(self, on: bool) -> None:
        """Have nothing new start, or again as usual."""

    def leave(self, key: str, to: str, jobs: Sequence[Range] | None = None) -> Move:
        """Have the first of these jobs that can go leave for another target under the key; of a key that was used
        before, only say how that move stands. From then on they can do nothing here."""

    def moves(self, prefix: str = "") -> Sequence[Move]:
        """Those that are not settled, whose keys begin so, without their jobs."""

    def arrived(self, key: str, first: int) -> None:
        """The jobs of the move have been taken over there, from id `first` on."""

    def come_back(self, key: str) -> None:
        """The jobs of the move were not taken over there, and never will be: they wait here again."""

    def decline(self, key: str) -> int | None:
        """The id of the first job that was taken here under the key; None if there is none, and then none ever will
        be."""

    def cancel(
        self,
        jobs: Sequence[Range] | None,
        grace: float | None = None,
        signal: int | None = None,
        note: str | None = None,
    ) -> Cancelled:
        """End jobs, or all that have not ended; their records say the `note`. With a `signal`, only send that to those
        that run."""

    def changes(self, since: str = "", timeout: float | None = None) -> str:
        """Wait until something of the queue is other than in the version `since`, for at most so many seconds; its
        version now."""

    def sights(self, most: int, only: Filter | None = None) -> Iterator[Sight]:
        """The queue as it is, and again whenever it is other than that, without an end; `most`: how many jobs are shown
        that run, before a few that wait."""

    def wait(self, jobs: Sequence[Range] | None, timeout: float | None = None) -> Waited:
        """Wait until jobs have ended, for at most so many seconds."""

    def read(
        self,
        job: int,
        streams: Sequence[str],
        follow: bool = False,
        lines: int | None = None,
        since: float | None = None,
        attempt: int | None = None,
        offset: int = 0,
        signs: bool = False,
        departure: Departure | None = None,
    ) -> Iterator[Piece]:
        """A job's output: the last `lines` lines or all of it, with `follow` until the job has ended; `since`: nothing
        of a stream to which nothing has been written since; `attempt`: of that one instead of the last; `offset`: of
        each stream what comes after so many bytes; `signs`: while nothing comes for long, an empty piece now and then,
        so that whoever follows can be looked at; `departure`: of whoever follows, upon which it is Departed, as soon as
        it may be."""

    def size(self, job: int, stream: str, attempt: int | None = None) -> int | None:
        """How many bytes a job has printed so far; None where only who reads them can know."""

    def left(self, attempts: Sequence[tuple[int, int]], name: str) -> Sequence[bytes | None]:
        """What attempts of jobs have left in the folders of their own under a name."""

    def stop(self, kill: bool = False, if_idle: bool = False, undrain: bool = False) -> tuple[int, int]:
        """Stop the manager; how many of its jobs run on, and how many wait on. With `kill`, those that run are ended.
        `if_idle`: it refuses when there are any; `undrain`: the next one starts jobs again."""

    @property
    def machine(self) -> Machine:
        """Where it is."""

    @property
    def cluster(self) -> Cluster:
        """What it is, if it is one."""

    def hang_up(self) -> None:
        """Whoever waits for something here, in another thread, is to wait no more: he hears that he has Departed, and
        the session is of no more use but to be closed. Waits for nothing; called any number of times."""

    def close(self) -> None:
        """Let the session go."""
