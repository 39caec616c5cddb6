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
from itertools import chain
from typing import Any, Dict, List, Union

from sjs.daemon.ground.notes import note
from sjs.daemon.ground.starting import Start
from sjs.daemon.ground.workspace import make_folder

Environment = Dict[Any, Union[str, bytes]]
"""Names may be bytes, too, where they were encoded before."""

OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW

MARK = "SJS_JOB"
"""The environment variable by which a process of a job is known, whatever it did to its session and parents."""

DEFAULT = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""What Python ignores, and what whoever started the manager did (nohup, a shell's `&`), jobs do not inherit. All that
there are, because of each that is not named the C library asks first what becomes of it."""


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
        self._path = base_env.get("PATH", os.defpath)
        # Encoded once, for there may be many of them.
        self._names = {name: os.fsencode(name) for name in base_env}
        self._base: Environment = {self._names[name]: os.fsencode(value) for name, value in base_env.items()}
        self._umask = umask
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._score = JobsFirst()

    def spawn(self, wanted: Start, mark: str = "", spare: str = "") -> int:
        """Start the job; its pid. It has been executed when this returns. `mark`: what it is to be known by; `spare`:
        an empty folder that nobody needs, to become its own."""
        umask = os.umask(self._umask)
        stdin = self._null
        try:
            _make_folders(wanted, spare)
            os.chdir(wanted.cwd)
            if wanted.stdin is not None:
                stdin = _open_input(wanted.stdin)
            program = find_program(wanted.argv[0], wanted.env.get("PATH", self._path))
            environment = self._environment(wanted, mark)
            start = _start_nicely if wanted.nice else _start
            with self._score:
                pid = start(wanted, program, environment, stdin)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in MACHINE:
                raise Refused(_explain(error, wanted)) from error
            raise SpawnError(_explain(error, wanted)) from error
        finally:
            os.umask(umask)
            os.chdir("/")
            if stdin != self._null:
                os.close(stdin)
        return pid

    def _environment(self, wanted: Start, mark: str) -> Environment:
        """What there is for all jobs, then what was said for this one, then what is so."""
        env = dict(self._base)
        so = {"PWD": wanted.cwd}
        if mark:
            so[MARK] = mark
        if wanted.slot >= 0:
            so["SJS_SLOT"] = str(wanted.slot)
        for name, value in chain(wanted.env.items(), so.items()):
            env[self._names.get(name, name)] = value
        return env


class JobsFirst:
    """When memory runs out, has the kernel end what was started in here before those who keep the queue.

    A process begins with the score of its parent. So ours is that of a job for a moment, which takes two short writes;
    to write its own, it would have to be opened first.
    """

    JOB = 500

    def __init__(self) -> None:
        self._fd, self._own = -1, b""
        try:
            self._fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            self._own = os.read(self._fd, 16)
        except OSError as error:  # /proc is hidden, or not to be written
            note(f"jobs are not ended first when memory runs out: {error}")
        self._is_lower = bool(self._own) and int(self._own) < self.JOB

    def __enter__(self) -> None:
        self._be(str(self.JOB).encode())

    def __exit__(self, *_: object) -> None:
        self._be(self._own)

    def _be(self, score: bytes) -> None:
        if self._is_lower:
            try:
                os.write(self._fd, score)
            except OSError as error:  # no start depends on this
                note(f"jobs are not ended first when memory runs out: {error}")
                self._is_lower = False


def _make_folders(wanted: Start, spare: str) -> None:
    _make_own(wanted, spare)
    if wanted.artifacts:
        with contextlib.suppress(FileExistsError):  # the machine could not start it then
            os.mkdir(wanted.artifacts, 0o700)


def _make_own(wanted: Start, spare: str) -> None:
    """Its own folder, and that of its outputs, which others of its thousand have made, but for the first."""
    if not wanted.folder:
        make_folder(wanted.out)
        return
    if spare:
        with contextlib.suppress(OSError):  # it is the first of its thousand, or the machine could not start it then
            os.rename(spare, wanted.folder)
            return
    try:
        os.mkdir(wanted.folder, 0o700)
    except FileExistsError:
        return  # the machine could not start it then
    except FileNotFoundError:
        make_folder(wanted.out)
        os.mkdir(wanted.folder, 0o700)


def _start(wanted: Start, program: str, environment: Environment, stdin: int) -> int:
    return os.posix_spawn(
        program,
        wanted.argv,
        environment,
        file_actions=_files(wanted, stdin),
        setsid=True,
        setsigmask=[],
        setsigdef=DEFAULT,
    )


def _start_nicely(wanted: Start, program: str, environment: Environment, stdin: int) -> int:
    """The same by a thread that gives way: so does the job, from its first instruction on.

    Linux has a niceness for each thread; our own, once raised, could not be lowered.
    """
    import threading

    pids: List[int] = []
    errors: List[Exception] = []

    def work() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + wanted.nice)
        except PermissionError as error:
            note(f"{wanted.tag} is not given niceness {wanted.nice}: {error.strerror}")
        try:
            pids.append(_start(wanted, program, environment, stdin))
        except (OSError, ValueError) as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    try:
        thread.start()
    except RuntimeError as error:  # as many as there may be
        raise BlockingIOError(errno.EAGAIN, str(error)) from error
    thread.join()
    if errors:
        raise errors[0]
    return pids[0]


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
