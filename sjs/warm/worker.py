"""A command, in a child of the process that has loaded everything: it becomes as the caller is, and ends as it ends."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TextIO

from sjs.cli import main, terminal
from sjs.cli.leaving import leave
from sjs.link import idle
from sjs.transport import link
from sjs.values import dataclass

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Given:
    """What the caller has handed over. `fds`: by name, `0` to `2`, `cwd` and `tty`, those that there are."""

    prog: str
    args: Sequence[str]
    environ: Mapping[bytes, bytes]
    umask: int
    ignored: Sequence[int]
    fds: Mapping[str, int]

    @classmethod
    def read(cls, body: Mapping[str, Any], fds: Sequence[int]) -> Given:
        """What a request says, with the descriptors that came with it."""
        return cls(
            body["prog"],
            [os.fsdecode(one) for one in body["args"]],
            body["environ"],
            body["umask"],
            body["ignored"],
            dict(zip(body["fds"], fds, strict=True)),
        )

    def close(self) -> None:
        """Let the descriptors go."""
        for fd in self.fds.values():
            os.close(fd)


def work(given: Given, parent: int, told: int, door: socket.socket) -> NoReturn:
    """Carry the command out, and end. `told`: where the parent hears how long it is to stay; `door`: to who keeps
    connections."""
    try:
        _end_with(parent)
        idle.tell_to(told)
        link.come_through(door)
        _become(given)
        status = main.run(given.prog, given.args)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 (as Python itself does at its end)
        sys.excepthook(*sys.exc_info())
        status = 1
    leave(status)


def _end_with(parent: int) -> None:
    """Who is carried out by a process that is killed is killed himself, as if it were one process."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _become(given: Given) -> None:
    """Take over what the caller has."""
    os.setpgid(0, 0)  # a stop of the caller's group is told to us, and so is that of this process to our parent
    for number in given.ignored:
        signal.signal(number, signal.SIG_IGN)
    for fd in range(3):
        _take_stream(fd, given.fds.get(str(fd)))
    if "cwd" in given.fds:
        os.fchdir(given.fds["cwd"])
    os.umask(given.umask)
    os.environ.clear()
    os.environb.update(given.environ)
    time.tzset()
    terminal.handed(given.fds.get("tty"))


def _take_stream(fd: int, handed: int | None) -> None:
    name = ("stdin", "stdout", "stderr")[fd]
    if handed is None:  # the caller's is closed
        os.close(fd)
        setattr(sys, name, None)
        return
    os.dup2(handed, fd)
    os.close(handed)
    setattr(sys, name, _text(fd))


def _text(fd: int) -> TextIO:
    """As Python makes them at its start."""
    usual = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[fd]
    raw = io.FileIO(fd, "r" if fd == 0 else "w", closefd=False)
    buffered = io.BufferedReader(raw) if fd == 0 else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered,
        encoding=usual.encoding if usual else "utf-8",
        errors="backslashreplace" if fd == 2 else usual.errors if usual else "strict",
        line_buffering=fd == 2 or (fd == 1 and raw.isatty()),
    )
