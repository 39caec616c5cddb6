"""In the keeper: from a start message to a running process.

The process has a session of its own, stdin from /dev/null or a file, its outputs as plain files (no pipe of ours could
break), default signals, the descriptors 0, 1, 2 and no other. The new process itself makes its output file, just before
it executes the job, and while it still shares the keeper's lock: so a file says that an attempt was started, and no
file, to whoever has that lock, that it never was.

posix_spawn and not fork: it copies no page tables, which at a thousand starts a second is half of the work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
from typing import Any, Dict, List, NamedTuple, Optional

from sjs.daemon.ground.notes import note
from sjs.daemon.ground.workspace import make_folder

OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW

MARK = "SJS_JOB"
"""The environment variable by which a process of a job is known, whatever it did to its session and parents."""

IGNORED = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
"""What Python ignores, and what whoever started the manager did (nohup, a shell's `&`): jobs do not inherit that."""


class Start(NamedTuple):
    """What the manager wants started. `tag` is the attempt's name, unique in its queue.

    It is ended after `timeout` seconds, with `grace` between TERM and KILL, and when it takes more than `mem` bytes.
    """

    tag: str
    argv: List[str]
    cwd: str
    env: Dict[str, str]
    out: str
    err: str
    stdin: Optional[str] = None
    nice: int = 0
    timeout: Optional[float] = None
    grace: Optional[float] = None
    mem: int = 0
    folder: str = ""  # its own, to be made


MACHINE = frozenset(
    getattr(errno, name)
    for name in ("EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOBUFS")
)
"""Errors of a machine that could not start any job now, and later may; all others are the job's own."""


class SpawnError(Exception):
    """Why a job could not be started."""


class Refused(Exception):
    """Why the machine could not start a job now. It never ran."""


class Spawner:
    """Starts jobs with what all of them have in common."""

    def __init__(self, base_env: Dict[str, str], umask: int) -> None:
        self._base_env = base_env
        self._umask = umask
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def spawn(self, wanted: Start) -> int:
        """Start the job; its pid. It has been executed when this returns."""
        env = {**self._base_env, **wanted.env, "PWD": wanted.cwd}
        umask = os.umask(self._umask)
        stdin = self._null
        try:
            make_folder(wanted.out)
            if wanted.folder:
                with contextlib.suppress(FileExistsError):  # the machine could not start it then
                    os.mkdir(wanted.folder, 0o700)
            os.chdir(wanted.cwd)
            if wanted.stdin is not None:
                stdin = _open_input(wanted.stdin)
            program = find_program(wanted.argv[0], env.get("PATH", os.defpath))
            pid = os.posix_spawn(
                program,
                wanted.argv,
                env,
                file_actions=_files(wanted, stdin),
                setsid=True,
                setsigmask=[],
                setsigdef=IGNORED,
            )
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in MACHINE:
                raise Refused(_explain(error, wanted)) from error
            raise SpawnError(_explain(error, wanted)) from error
        finally:
            os.umask(umask)
            os.chdir("/")
            if stdin != self._null:
                os.close(stdin)
        if wanted.nice:
            _be_nice(pid, wanted)
        _raise_oom_score(pid)
        return pid


def _files(wanted: Start, stdin: int) -> List[Any]:
    same = wanted.err == wanted.out
    return [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, wanted.out, OUTPUT, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2) if same else (os.POSIX_SPAWN_OPEN, 2, wanted.err, OUTPUT, 0o600),
    ]


def _open_input(path: str) -> int:
    """What the job reads. Never waits, as it would for the writer of a pipe; so a pipe is refused."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
        os.close(fd)
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.ESPIPE, "it is no file", path)
    os.set_blocking(fd, True)
    return fd


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


def find_program(name: str, path: str) -> str:
    """The file that a shell would run for the name, seen from the current folder."""
    if "/" in name:
        return name
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _explain(error: Exception, wanted: Start) -> str:
    if not isinstance(error, OSError):
        return f"cannot run {wanted.argv[0]}: {error}"
    why = error.strerror or "unknown error"
    if error.filename == wanted.cwd:
        return f"cannot enter {wanted.cwd}: {why}"
    if wanted.stdin is not None and error.filename == wanted.stdin:
        return f"cannot read {wanted.stdin}: {why}"
    return f"cannot run {wanted.argv[0]}: {why}"


def _be_nice(pid: int, wanted: Start) -> None:
    """Give way to others. Its group, because it may have children and threads already; what they make inherits it."""
    try:
        os.setpriority(os.PRIO_PGRP, pid, os.getpriority(os.PRIO_PROCESS, 0) + wanted.nice)
    except ProcessLookupError:
        return  # it has ended already
    except PermissionError as error:
        note(f"{wanted.tag} is not given niceness {wanted.nice}: {error.strerror}")


def _raise_oom_score(pid: int) -> None:
    """When memory runs out, have the kernel end jobs before those who keep the queue."""
    try:
        fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # it has ended already, or /proc is hidden: nothing depends on this
    try:
        os.write(fd, b"500")
    except OSError:
        return  # its score was higher, and may not be lowered
    finally:
        os.close(fd)
