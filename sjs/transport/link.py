"""ssh by the connections that another process keeps between commands (`lines`). What needs a person, a password or a
program of this command's own is done by this command itself."""

from __future__ import annotations

import contextlib
import pickle
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sjs.errors import LinkLost, from_wire
from sjs.protocols import Stream, Transport
from sjs.transport import frames
from sjs.transport.frames import Frames
from sjs.transport.incoming import Incoming
from sjs.transport.passwords import VARIABLE
from sjs.transport.ssh_config import find_way
from sjs.transport.way import Login, Way
from sjs.values import dataclass

NAMES = ("HOME", "PATH", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME")
"""Of the environment, what counts for a way that is the same each time."""

_door: socket.socket | None = None


@dataclass(frozen=True)
class Wish:
    """What is to be opened. `name`: what somebody may have left a stream under; `way`: if it had to be asked for."""

    login: Login
    environ: Mapping[str, str]
    argv: Sequence[str] = ()
    name: bytes = b""
    way: Way | None = None


def come_through(door: socket.socket) -> None:
    """From now on, open streams by the process behind this door."""
    global _door
    _door = door


def is_there() -> bool:
    """Whether there is such a process."""
    return _door is not None


def ask(kind: bytes, wish: Wish | None = None) -> socket.socket | None:
    """A socket over which the wish is answered; None when nobody is behind the door any more."""
    if _door is None:
        return None
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(_door, [b"."], [theirs.fileno()])
        except OSError:  # it has ended, and another way is open
            ours.close()
            return None
    ours.sendall(frames.framed(kind, pickle.dumps(wish) if wish else b""))
    return ours


def kept() -> list[dict[str, Any]]:
    """The connections that are kept."""
    sock = ask(frames.LOOK)
    if sock is None:
        return []
    with sock:
        _, body = LinkStream(sock).answer(lambda line: None)
    return pickle.loads(body) if body else []


class LinkTransport:
    """A machine behind ssh. `alone`: makes the transport that does without."""

    def __init__(
        self,
        login: Login,
        environ: Mapping[str, str],
        notice: Callable[[str], None],
        alone: Callable[[], Transport],
    ) -> None:
        self._login = login
        self._environ = environ
        self._notice = notice
        self._make_alone = alone
        self._alone: Transport | None = None
        self._has_password = bool(login.password or environ.get(VARIABLE))

    def open(self, argv: Sequence[str]) -> Stream:
        """Run a program there."""
        return self.open_named(argv, b"")[0]

    def open_named(self, argv: Sequence[str], name: bytes) -> tuple[Stream, bytes]:
        """The same; or the stream that somebody has left under this name, and what he has said of it."""
        if self._alone is None and not self._has_password:
            environ = {one: self._environ[one] for one in NAMES if one in self._environ}
            found = self._opened(Wish(self._login, environ, argv, name))
            if found is not None:
                return found
        if self._alone is None:
            self._alone = self._make_alone()
        return self._alone.open(argv), b""

    def close(self) -> None:
        """Let go of what this command has for itself."""
        alone, self._alone = self._alone, None
        if alone is not None:
            alone.close()

    def _opened(self, wish: Wish) -> tuple[Stream, bytes] | None:
        sock = ask(frames.OPEN, wish)
        if sock is None:
            return None
        stream = LinkStream(sock)
        try:
            kind, body = stream.answer(self._notice)
        except BaseException:
            stream.close()
            raise
        if kind == frames.OPENED:
            return stream, body
        stream.close()
        if kind == frames.WAY and wish.way is None:
            way = find_way(self._login, self._environ)
            return self._opened(Wish(wish.login, wish.environ, wish.argv, wish.name, way))
        return None


class LinkStream(Incoming):
    """A stream whose other end is a channel of the process that keeps connections."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self._frames = Frames(sock)
        self._end: LinkLost | None = None

    def answer(self, notice: Callable[[str], None]) -> tuple[bytes, bytes]:
        """Whether it is open. Whoever answers has an end to each of his waits."""
        while True:
            piece = self._frames.next()
            if piece is None:
                if not self._frames.read():
                    return frames.ALONE, b""  # it has ended before it did anything
                continue
            kind, body = piece
            if kind == frames.FAILED:
                raise from_wire(pickle.loads(body))
            if kind != frames.NOTICE:
                return piece
            notice(body.decode())

    def send(self, data: bytes, deadline: float) -> None:
        """Hand over all of it, and take meanwhile what comes."""
        view = memoryview(frames.framed(frames.DATA, data))
        while view:
            if self._wait(select.POLLIN | select.POLLOUT, deadline) & select.POLLOUT:
                try:
                    view = view[self._sock.send(view, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    self._take()
                    raise self._why() from None

    def leave(self, name: bytes, note: bytes) -> None:
        """Let the next command have it that asks for this name, and tell it this."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # then there is nothing to be kept
            self._sock.sendall(frames.framed(frames.LEAVE, pickle.dumps((name, note))))
        self.close()

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):  # it may be gone already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()

    def _more(self, deadline: float) -> None:
        if self._end is not None:
            raise self._end
        self._wait(select.POLLIN, deadline)

    def _wait(self, events: int, deadline: float) -> int:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._sock, events)
        ready = poll.poll(left * 1000) if left > 0 else []
        if not ready:
            raise TimeoutError
        happened = ready[0][1]
        if happened & (select.POLLIN | select.POLLHUP):
            self._take()
        return happened

    def _take(self) -> None:
        """What has come, and why nothing more will."""
        is_open = self._frames.read()
        while (piece := self._frames.next()) is not None:
            kind, body = piece
            if kind == frames.DATA:
                self._came(body)
            elif kind == frames.FAILED:
                self._end = from_wire(pickle.loads(body))  # type: ignore[assignment]
        if not is_open:
            self._end = self._why()

    def _why(self) -> LinkLost:
        return self._end or LinkLost("the process that kept the connection was killed")
