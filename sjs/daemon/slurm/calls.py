"""Slurm's programs as children of the keeper, which is never kept waiting: what they say is read when it comes."""

from __future__ import annotations

import os
import selectors
import signal
import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence

from sjs.daemon.ground.starting import base_environment

PATIENCE = 60.0
"""Seconds that one of them may take; then it is killed."""

PIECE = 1 << 16
NOT_FOUND = 127


class Result(NamedTuple):
    """How one has ended. `status` is None where it was killed because it took too long, or by somebody else."""

    status: Optional[int]
    out: str
    err: str


SLURMS = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_", "SINFO_")
"""How variables begin by which Slurm's programs are told to do otherwise than they are asked, …"""

DEFAULTS = ("SLURM_CONF", "SBATCH_PARTITION", "SBATCH_ACCOUNT", "SBATCH_QOS", "SLURM_CLUSTERS", "SBATCH_CLUSTERS")
"""… but for those in which a user says where jobs go that do not say it themselves."""

Then = Callable[[Result], None]


def environment(environ: Mapping[str, str]) -> Dict[str, str]:
    """What Slurm's programs are given, and with them the jobs: as on a machine. Of a job of Slurm's in which this was
    started it is no part."""
    found = base_environment(dict(environ))
    kept = {name: value for name, value in found.items() if not name.startswith(SLURMS) or name in DEFAULTS}
    return {**kept, "SLURM_TIME_FORMAT": "standard"}


class Calling(Protocol):
    """How Slurm's programs are run."""

    def run(self, argv: Sequence[str], then: Then, env: Mapping[str, str] = ...) -> None:
        """Start one; `then` hears how it ended."""

    def reaped(self, pid: int, status: int) -> None:
        """A child has ended, perhaps one of these."""

    def turn(self, now: float) -> None:
        """See to those that run."""

    def next_time(self) -> Optional[float]:
        """When to see to them even if they say nothing."""

    @property
    def pids(self) -> List[int]:
        """Those that run."""


class Call:
    """One that runs."""

    def __init__(self, pid: int, out: int, err: int, until: float, then: Then) -> None:
        self.pid = pid
        self.until = until
        self.then = then
        self.status: Optional[int] = None
        self.has_ended = False
        self.heard: Dict[int, bytes] = {out: b"", err: b""}
        self.open = {out, err}

    def result(self) -> Result:
        out, err = (text.decode("utf-8", "replace") for text in self.heard.values())
        return Result(self.status, out, err)


class Calls:
    """All that run."""

    def __init__(self, selector: selectors.BaseSelector, env: Mapping[str, str]) -> None:
        self._selector = selector
        self._env = dict(env)
        self._running: List[Call] = []
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def run(self, argv: Sequence[str], then: Then, env: Mapping[str, str] = {}) -> None:
        """Start it; `then` hears how it ended, in a later turn, or at once where it can not be started."""
        pipes = [os.pipe(), os.pipe()]
        files = [(os.POSIX_SPAWN_DUP2, self._null, 0)]
        files += [(os.POSIX_SPAWN_DUP2, writing, fd) for fd, (_, writing) in enumerate(pipes, 1)]
        try:
            pid = os.posix_spawnp(argv[0], list(argv), {**self._env, **env}, file_actions=files)
        except OSError as error:
            for reading, _ in pipes:
                os.close(reading)
            then(Result(NOT_FOUND, "", f"{argv[0]}: {error.strerror} (as the manager's environment has it)"))
            return
        finally:
            for _, writing in pipes:
                os.close(writing)
        for reading, _ in pipes:
            os.set_blocking(reading, False)
            self._selector.register(reading, selectors.EVENT_READ, self)
        self._running.append(Call(pid, pipes[0][0], pipes[1][0], time.monotonic() + PATIENCE, then))

    @property
    def pids(self) -> List[int]:
        return [one.pid for one in self._running]

    def reaped(self, pid: int, status: int) -> None:
        """A child has ended, perhaps one of these."""
        for one in self._running:
            if one.pid == pid and not one.has_ended:
                one.has_ended = True
                one.status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None

    def turn(self, now: float) -> None:
        """Read what they say, end those that take too long, and tell of those that have ended."""
        for one in self._running:
            for fd in list(one.open):
                self._read(one, fd)
            if now >= one.until and not one.has_ended:
                one.until = now + PATIENCE
                os.kill(one.pid, signal.SIGKILL)
        over = [one for one in self._running if one.has_ended]
        self._running = [one for one in self._running if not one.has_ended]
        for one in over:
            for fd in list(one.open):  # somebody whom it has left behind may hold it open
                self._close(one, fd)
            one.then(one.result())

    def next_time(self) -> Optional[float]:
        """When one of them will have taken too long."""
        return min((one.until for one in self._running), default=None)

    def _read(self, call: Call, fd: int) -> None:
        while True:
            try:
                data = os.read(fd, PIECE)
            except BlockingIOError:
                return
            if not data:
                self._close(call, fd)
                return
            call.heard[fd] += data

    def _close(self, call: Call, fd: int) -> None:
        call.open.discard(fd)
        self._selector.unregister(fd)
        os.close(fd)
