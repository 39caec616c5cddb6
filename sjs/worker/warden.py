"""A process of its own: the parent of all commands of one worker, which it takes along when the worker is gone.

    from the worker   {"start": KEY, "argv": […], "env": {…}, "stdin": PATH}
                      {"signal": KEY, "number": N}
    to the worker     {"ended": KEY, "status": WAIT STATUS}
                      {"failed": KEY, "why": …}

Each a line of JSON. It is forked before the worker has threads, and has none: so it can set for its children, between
fork and exec, that they die with it; and a kernel ends a child not when the process of its parent ends, but the thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from typing import Any, Dict, List

PR_SET_PDEATHSIG = 1

UNHEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that are for the worker, and come to all of its group."""


def guard(worker: socket.socket, folder: str) -> None:
    """Until the worker is gone; then nothing of its commands is left, nor of their folder."""
    _Warden(worker).work()
    shutil.rmtree(folder, ignore_errors=True)


class _Warden:
    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._running: Dict[int, subprocess.Popen[bytes]] = {}
        self._keys: Dict[int, int] = {}
        for number in UNHEARD:  # by a handler, for what is ignored stays so for whoever is executed
            signal.signal(number, lambda number, frame: None)

    def work(self) -> None:
        waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        poll = select.poll()
        for fd in (waking, self._worker.fileno()):
            poll.register(fd, select.POLLIN)
        left = b""
        try:
            while True:
                if waking in [fd for fd, _ in poll.poll()]:
                    with contextlib.suppress(BlockingIOError):
                        os.read(waking, 1 << 12)
                    self._reap()
                    continue
                came = self._worker.recv(1 << 16)
                if not came:
                    return
                *lines, left = (left + came).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
        except ConnectionError:
            return  # the worker is gone
        finally:
            for pid in self._keys:
                _signal_group(pid, signal.SIGKILL)

    def _obey(self, order: Dict[str, Any]) -> None:
        if "start" in order:
            self._start(order["start"], order)
        elif order["signal"] in self._running:
            _signal_group(self._running[order["signal"]].pid, order["number"])
            if order["number"] != signal.SIGKILL:
                _signal_group(self._running[order["signal"]].pid, signal.SIGCONT)

    def _start(self, key: int, order: Dict[str, Any]) -> None:
        try:
            with open(order["stdin"], "rb") as stdin:
                process = subprocess.Popen(
                    order["argv"],
                    stdin=stdin,
                    env={**os.environ, **order["env"]},
                    start_new_session=True,
                    preexec_fn=self._die_with_us,
                )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._tell({"failed": key, "why": _why(error, order["argv"])})
            return
        self._running[key] = process
        self._keys[process.pid] = key

    def _die_with_us(self) -> None:
        self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def _reap(self) -> None:
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) if self._keys else None
            if ended is None:
                return
            _signal_group(ended.si_pid, signal.SIGKILL)  # of what it has left; nobody else has its number yet
            _, status = os.waitpid(ended.si_pid, 0)
            key = self._keys.pop(ended.si_pid)
            self._running.pop(key).returncode = status
            self._tell({"ended": key, "status": status})

    def _tell(self, said: Dict[str, Any]) -> None:
        self._worker.sendall(json.dumps(said).encode("ascii") + b"\n")


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # ended, or a setuid program made it somebody else's
        os.killpg(pid, number)


def _why(error: Exception, argv: List[str]) -> str:
    if isinstance(error, OSError):
        return f"cannot run {argv[0]}: {error.strerror}" + (f": {error.filename}" if error.filename != argv[0] else "")
    return f"cannot run {argv[0]}: {error}"
