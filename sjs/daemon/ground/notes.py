"""What a daemon has to say to people: one line with the time, to stderr, which is the log file.

Two processes write one log, the keeper and its manager, and neither asks the other. Whoever is about to write looks
where the log's name leads. If it leads elsewhere than to the open file, somebody has put the log aside (the other
process, logrotate, a person), and a new one is opened in its place; if the file is full, it is put aside first. A line
that is on its way meanwhile lands in the file that was put aside: it is never lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Optional, Type

if TYPE_CHECKING:
    from types import TracebackType

FULL = 10 << 20
"""Bytes after which a log is put aside."""

KEPT = 3
"""Full logs that are kept: NAME.1, the latest, to NAME.3."""

LOOK = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # waits for no reader of a pipe in the log's place
OPEN = LOOK | os.O_CREAT | os.O_APPEND

_log = ""


def keep_log(path: str) -> None:
    """From now on stderr is this log: it is made again when it is gone, and put aside when it is full."""
    global _log
    _log = path
    sys.excepthook = _last_words


def note(text: str) -> None:
    """Write the line. A full disk must not stop a queue: then the line is dropped, and that is all."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    line = f"{stamp} {os.path.basename(sys.argv[1] if len(sys.argv) > 1 else 'sjs')} {text}\n"
    with contextlib.suppress(OSError):
        _follow()
    with contextlib.suppress(OSError):
        os.write(2, line.encode("utf-8", "backslashreplace"))


def put(path: str, text: str) -> None:
    """Write the line into another log than our own."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    with contextlib.suppress(OSError):
        fd = os.open(path, OPEN, 0o600)
        try:
            os.write(fd, f"{stamp} {text}\n".encode("utf-8", "backslashreplace"))
        finally:
            os.close(fd)


def put_aside_if_full(path: str) -> None:
    """Move a log that is full to NAME.1, and what was there one further; the last one goes."""
    if not _is_full(path):
        return
    # A file of its own: the log that one process has locked can be moved by others, and the next one be full meanwhile.
    lock = os.open(path + ".lock", LOOK | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_full(path):
            for number in range(KEPT - 1, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{path}.{number}", f"{path}.{number + 1}")
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, f"{path}.1")
    except BlockingIOError:
        return  # the other process is about to do it
    finally:
        os.close(lock)


def _is_full(path: str) -> bool:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(there.st_mode) and there.st_size >= FULL


def _follow() -> None:
    """Have stderr be the file that the log's name leads to."""
    if not _log:
        return
    if os.fstat(2).st_size >= FULL:
        put_aside_if_full(_log)
    if _is_at(2, _log):
        return
    fd = os.open(_log, OPEN, 0o600)
    os.dup2(fd, 2)
    os.close(fd)


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _last_words(kind: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
    """What ends this process goes to where the log is now."""
    import traceback  # should that fail, Python itself prints what it can

    note("".join(traceback.format_exception(kind, error, trace)).rstrip())


def last_line(path: str) -> str:
    """The last line of a log, for a message that must stand on one."""
    try:
        with open(path, "rb") as source:
            source.seek(max(0, os.stat(path).st_size - 4096))
            return source.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    except FileNotFoundError:
        return f"no log at {path}"
