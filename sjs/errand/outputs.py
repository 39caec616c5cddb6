"""The outputs of jobs on this machine, as errands read them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
from types import FrameType
from typing import Any, Iterator, Optional, Tuple

from sjs.errors import BadRequest, Refused


def attempt_of(pair: Any) -> Tuple[int, int]:
    """A job and the number of its attempt."""
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(one) is int and one >= 0 for one in pair):
        raise BadRequest(f"no job and attempt: {pair!r:.40}")
    return pair[0], pair[1]


@contextlib.contextmanager
def opened(path: str) -> Iterator[Optional[int]]:
    """The file, for reading; None where there is none: a job that wrote nothing, or whose output was cleaned away.
    What is no plain file is an OSError: to read a pipe could take for ever."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "its output is no plain file", path)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def limited(seconds: float, what: str) -> Iterator[None]:
    """Refuse to go on once this has taken so much of a processor: some regular expressions never come to an end.
    Python looks for signals while it matches. 0 seconds are no limit."""

    def late(number: int, frame: Optional[FrameType]) -> None:
        raise Refused(f"{what} takes longer than {seconds:g} seconds", "a simpler expression would not")

    before: Any = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
