"""The loop of the warm process: takes commands, has each carried out by a child, tells the caller how it ended. It
sleeps in one poll, and ends when nobody has come for a while, or when its code is no longer what lies on the disk."""

from __future__ import annotations

import array
import contextlib
import gc
import importlib.util
import os
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sjs import bundle, values
from sjs.cli import verbs
from sjs.link import frames, idle
from sjs.warm.sources import Sources
from sjs.warm.worker import Given, work

PIECE = 1 << 16
MOST_FDS = 8
FOR_ALL = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
"""What a terminal tells a command, and whatever that has started."""

SOON = ("sjs.cli.common", "sjs.targets.daemon_client", "yaml")
"""What every command needs …"""

LATER = ("sjs.transport.link", "sjs.transport.local", "sjs.snapshots.store")
"""… and what some do, beside their verb."""

CLUSTERS = ("sjs.targets.kubernetes.target", "urllib3.connection")
"""What commands about clusters do, for who has installed what that needs."""


class Caller:
    """Somebody who has connected; from when all has come that he says, he has a child that carries it out."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.pid = 0
        self._data = b""
        self.fds: list[int] = []
        sock.setblocking(False)

    def read(self) -> bytes | None:
        """What came; None at his end."""
        space = socket.CMSG_SPACE(MOST_FDS * 4)
        try:
            data, told, _, _ = self.sock.recvmsg(PIECE, space, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return b""
        except ConnectionResetError:
            return None
        for level, kind, packed in told:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.fds += array.array("i", packed[: len(packed) // 4 * 4])
        return data or None

    def request(self, data: bytes) -> tuple[dict[str, Any], bytes] | None:
        """What he wants, once all of it has come, and what he has said since."""
        self._data += data
        return frames.whole(self._data)

    def tell(self, kind: bytes, number: int = 0) -> None:
        """Tell him; if he is gone, his end will come to us."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.send(frames.answer(kind, number))

    def close(self) -> None:
        """Let him go."""
        self.let_go()
        self.sock.close()

    def let_go(self) -> None:
        """Close what came with the request."""
        fds, self.fds = self.fds, []
        for fd in fds:
            os.close(fd)


class Warm:
    """The process. `fd`: of a socket that listens; `lines`, `door`: the process that keeps connections, and the way to
    it."""

    def __init__(self, fd: int, sources: Sources, lines: int, door: socket.socket) -> None:
        self._lines = lines
        self._door = door
        listener = socket.socket(fileno=fd)
        self._listener: socket.socket | None = listener
        self._path = listener.getsockname()
        self._inode = os.stat(self._path).st_ino
        self._sources = sources
        self._idle = idle.USUAL
        self._callers: dict[int, Caller] = {}
        self._children: dict[int, Caller] = {}
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._bell, rung = socket.socketpair()
        for end in (self._bell, rung):
            end.setblocking(False)
        self._poll.register(self._bell, select.POLLIN)
        self._rung = rung
        self._hears, self._told = os.pipe()
        self._poll.register(self._hears, select.POLLIN)
        self._is_complete = False

    def run(self) -> None:
        """Until nobody has come for a while."""
        self._load(SOON)
        signal.set_wakeup_fd(self._rung.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        last = time.monotonic()
        while self._listener is not None or self._callers:
            left = None if self._callers else max(0.0, last + self._idle - time.monotonic())
            ready = self._poll.poll(None if left is None else left * 1000)
            if not ready:
                self._stop_listening()
            for fd, _ in ready:
                self._turn(fd)
            last = time.monotonic()
            if not (self._callers or self._is_complete):
                self._load_the_rest()

    def _turn(self, fd: int) -> None:
        if fd == self._bell.fileno():
            self._bell.recv(PIECE)
            self._hear_children()
        elif fd == self._hears:
            self._idle = idle.read(os.read(self._hears, PIECE))
        elif fd in self._callers:
            self._hear(self._callers[fd])
        elif self._listener is not None and fd == self._listener.fileno():
            self._welcome(self._listener)

    def _welcome(self, listener: socket.socket) -> None:
        if not self._sources.are_the_same():
            self._stop_listening()  # whoever is in line hears of it, and looks for another one
            return
        sock, _ = listener.accept()
        uid = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[4:8], "little")
        if uid != os.geteuid():
            sock.close()
            return
        self._callers[sock.fileno()] = Caller(sock)
        self._poll.register(sock, select.POLLIN)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._poll.unregister(self._listener)
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self._path).st_ino == self._inode:
                    os.unlink(self._path)
            self._listener.close()
            self._listener = None

    def _hear(self, caller: Caller) -> None:
        data = caller.read()
        if data is None:
            if caller.pid:
                os.kill(caller.pid, signal.SIGKILL)
            self._forget(caller)
        elif caller.pid:
            self._signal(caller, data)
        else:
            asked = caller.request(data)
            if asked is not None:
                self._begin(caller, asked[0])
                self._signal(caller, asked[1])

    def _signal(self, caller: Caller, numbers: bytes) -> None:
        for number in numbers:
            (os.killpg if number in FOR_ALL else os.kill)(caller.pid, number)

    def _begin(self, caller: Caller, body: Mapping[str, Any]) -> None:
        given = Given.read(body, caller.fds)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_child()
            work(given, parent, self._told, self._door)
        os.setpgid(pid, pid)  # which it does, too: whoever is first
        self._children[pid] = caller
        caller.pid = pid
        caller.let_go()
        caller.tell(frames.TAKEN)

    def _become_child(self) -> None:
        """Have nothing of what is only the parent's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in self._callers.values():
            one.sock.close()
        if self._listener is not None:
            self._listener.close()
        self._bell.close()
        self._rung.close()
        os.close(self._hears)

    def _hear_children(self) -> None:
        if self._lines and os.waitpid(self._lines, os.WNOHANG)[0]:
            self._lines = 0
            self._stop_listening()  # without it, each command would connect for itself
        for number, caller in list(self._children.items()):
            pid, status = os.waitpid(number, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                caller.tell(frames.STOPPED)
            elif pid:
                del self._children[number]
                caller.pid = 0
                if caller.sock.fileno() in self._callers:
                    caller.tell(frames.ENDED, status)
                    self._forget(caller)

    def _forget(self, caller: Caller) -> None:
        del self._callers[caller.sock.fileno()]
        self._poll.unregister(caller.sock)
        caller.close()

    def _load_the_rest(self) -> None:
        """While nobody waits: what only some commands need."""
        self._is_complete = True
        for verb in verbs.VERBS:
            verbs.command(verb)
        _ = bundle.ours().digest
        self._load(LATER)
        if importlib.util.find_spec("urllib3") is not None:
            self._load(CLUSTERS)
        values.make_ready()
        gc.collect()
        gc.freeze()  # else the first look for garbage in each child would copy all of it

    def _load(self, names: Sequence[str]) -> None:
        for name in names:
            importlib.import_module(name)
        self._sources.add_loaded()
