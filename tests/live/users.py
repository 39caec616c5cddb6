"""Other real users on this machine: root may become anybody."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.trees import shipped

STRANGER = 65534
OWNER = 54_321
"""A user id that no account has."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def become(user: int) -> None:
    """For good, in a child process."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def start_as(user: int, work: Callable[[], object]) -> int:
    """Do something as another user, in a process of its own; its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        become(user)
        work()
        status = 0
    finally:
        if status:
            traceback.print_exc(file=sys.stderr)
        os._exit(status)  # this copy of the tests ends here


def do_as(user: int, work: Callable[[], object]) -> bool:
    """Whether it went well."""
    return os.waitstatus_to_exitcode(os.waitpid(start_as(user, work), 0)[1]) == 0


@contextlib.contextmanager
def busy_as(user: int, work: Callable[[], object]) -> Iterator[None]:
    """Meanwhile the other user does this."""
    pid = start_as(user, work)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter (pytest's are closed), with the program in it."""
    folder = Path(tempfile.mkdtemp(prefix="sjs-users-"))
    try:
        folder.chmod(0o755)
        shipped(folder)
        yield folder
    finally:
        shutil.rmtree(folder)
