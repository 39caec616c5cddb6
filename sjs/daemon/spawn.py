"""In the keeper, and then in the child that becomes the job: from a start message to a running process.

The child has a session of its own, stdin from /dev/null, its outputs as plain files (no pipe of ours that could break),
default signals, the descriptors 0, 1, 2 and no other. It writes its own start into the journal before it executes.
"""

from __future__ import annotations

import os
import signal
from typing import Dict, List, NamedTuple

from sjs.daemon import journal, tree

OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW

MARK = "SJS_JOB"
"""The environment variable by which a process of a job is known, whatever it did to its session and parents."""


class Start(NamedTuple):
    """What the manager wants started. `tag` is the attempt's name, unique in its queue."""

    tag: str
    argv: List[str]
    cwd: str
    env: Dict[str, str]
    out: str
    err: str


class Failure(NamedTuple):
    """A child that never became its job: what it could not do, and why."""

    tag: str
    stage: str
    error: int

    @property
    def detail(self) -> str:
        return f"{self.stage}: {os.strerror(self.error)}"


class Spawner:
    """Forks jobs. Children tell failures through one pipe, which is read before any of them is reaped."""

    def __init__(self, base_env: Dict[str, str], umask: int) -> None:
        self._base_env = base_env
        self._umask = umask
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)

    def start(self, wanted: Start, journal_fd: int) -> int:
        """Fork the job; its pid. OSError when it cannot even be tried (no outputs, no processes left)."""
        out = os.open(wanted.out, OUTPUT, 0o600)
        try:
            err = out if wanted.err == wanted.out else os.open(wanted.err, OUTPUT, 0o600)
        except OSError:
            os.close(out)
            raise
        try:
            pid = os.fork()
            if pid == 0:
                self._become(wanted, out, err, journal_fd)
            return pid
        finally:
            os.close(out)
            if err != out:
                os.close(err)

    def failures(self) -> List[Failure]:
        """What children have told since the last call."""
        try:
            data = os.read(self._read_end, 1 << 16)
        except BlockingIOError:
            return []
        told = [line.split("\0") for line in data.decode("ascii", "replace").splitlines()]
        return [Failure(tag, stage, int(error)) for tag, stage, error in told]

    def _become(self, wanted: Start, out: int, err: int, journal_fd: int) -> None:
        """In the child: become the job, or tell why not. Never returns."""
        stage = "cannot be set up"
        try:
            os.setsid()
            _reset_signals()
            _redirect(out, err)
            os.umask(self._umask)
            _raise_oom_score()
            stage = f"cannot enter {_ascii(wanted.cwd)}"
            os.chdir(wanted.cwd)
            stage = "cannot record the start"
            me = tree.stat(os.getpid())
            journal.append(journal_fd, f"S {wanted.tag} {os.getpid()} {me.start_time if me else 0}")
            stage = f"cannot run {_ascii(wanted.argv[0])}"
            os.execvpe(wanted.argv[0], wanted.argv, {**self._base_env, **wanted.env, "PWD": wanted.cwd})
        except OSError as error:
            os.write(self._write_end, f"{wanted.tag}\0{stage}\0{error.errno or 0}\n".encode("ascii"))
        except ValueError:
            os.write(self._write_end, f"{wanted.tag}\0{stage}\0{22}\n".encode("ascii"))
        finally:
            os._exit(127)


def base_environment(environ: Dict[str, str]) -> Dict[str, str]:
    """What every job sees of the environment in which its manager was started: all but what belonged to that login."""
    dropped = ("SSH_", "SJS_")
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(dropped) and name not in ("_", "OLDPWD", "PWD", "SHLVL")
    }
    kept.setdefault("PYTHONUNBUFFERED", "1")
    return kept


def _reset_signals() -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _redirect(out: int, err: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    if null > 2:
        os.close(null)


def _raise_oom_score() -> None:
    """When memory runs out, have the kernel end jobs before those who keep the queue."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # a kernel without it, or a hidden /proc: nothing depends on this
    try:
        os.write(fd, b"500")
    except OSError:
        return  # its score was higher already
    finally:
        os.close(fd)


def _ascii(value: str) -> str:
    """A path for a message on one line of ASCII, cut to a length that fits into one pipe write."""
    return ascii(value)[1:-1][:200]
