"""The process that keeps ssh connections between commands, and sessions that nobody uses at the moment. For each stream
that a command has open there is a thread here, which carries bytes; who waits for nobody has none."""

from __future__ import annotations

import pickle
import select
import socket
import threading

from sjs.errors import SjsError, Unreachable, to_wire
from sjs.transport import frames
from sjs.transport.frames import Frames
from sjs.transport.keeping import Alone, Keeping
from sjs.transport.link import Wish
from sjs.transport.relayed import RelayedStream
from sjs.transport.remembered import Unsteady
from sjs.transport.ssh_stream import QUIET

PIECE = 1 << 16


def serve(door: socket.socket) -> None:
    """Until nobody is left who could come."""
    keeping = Keeping()
    while True:
        data, fds, _, _ = socket.recv_fds(door, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        sock = socket.socket(fileno=fds[0])
        threading.Thread(target=_attend, args=(keeping, sock), daemon=True).start()


def _attend(keeping: Keeping, sock: socket.socket) -> None:
    """One wish, to its end."""
    with sock:
        said = Frames(sock)
        try:
            kind, wish = _heard(said)
            if kind == frames.LOOK:
                sock.sendall(frames.framed(frames.OPENED, pickle.dumps(keeping.told())))
            elif wish is not None:
                _fulfil(keeping, sock, said, wish)
        except (BrokenPipeError, ConnectionResetError):
            return  # whoever wished it is gone


def _heard(said: Frames) -> tuple[bytes, Wish | None]:
    while (piece := said.next()) is None:
        if not said.read():
            return b"", None
    kind, body = piece
    return kind, pickle.loads(body) if body else None


def _fulfil(keeping: Keeping, sock: socket.socket, said: Frames, wish: Wish) -> None:
    def notice(line: str) -> None:
        sock.sendall(frames.framed(frames.NOTICE, line.encode()))

    try:
        kept, stream, note = keeping.open(wish, notice)
    except Unsteady:
        sock.sendall(frames.framed(frames.WAY))
        return
    except Alone:
        sock.sendall(frames.framed(frames.ALONE))
        return
    except SjsError as error:
        sock.sendall(_failure(error))
        return
    left = None
    try:
        sock.sendall(frames.framed(frames.OPENED, note))
        left = Relay(sock, said, stream).run()
    finally:
        kept.give_back(stream, left)


def _failure(error: SjsError) -> bytes:
    return frames.framed(frames.FAILED, pickle.dumps(to_wire(error)))


class Relay:
    """Carries the bytes of one stream both ways."""

    def __init__(self, sock: socket.socket, said: Frames, stream: RelayedStream) -> None:
        self._sock = sock
        self._said = said
        self._stream = stream
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._poll.register(stream.bell, select.POLLIN)
        self._left: tuple[bytes, bytes] | None = None

    def run(self) -> tuple[bytes, bytes] | None:
        """Until one side has ended, or it is left for the next command: under which name, and with which note."""
        try:
            while self._turn():
                pass
        except Unreachable as error:
            said = self._stream.rest()  # who ends before it was asked has said why
            if said:
                self._sock.sendall(frames.framed(frames.DATA, said))
            self._sock.sendall(_failure(error))
        return self._left

    def _turn(self) -> bool:
        ready = [fd for fd, _ in self._poll.poll(QUIET * 1000)]
        if not ready:
            self._stream.insist()
        if self._stream.bell in ready:
            data = self._stream.some()
            if data:
                self._sock.sendall(frames.framed(frames.DATA, data))
        return self._hear() if self._sock.fileno() in ready else True

    def _hear(self) -> bool:
        """What the command says; not, when it was its last."""
        is_open = self._said.read()
        while (piece := self._said.next()) is not None:
            kind, body = piece
            if kind == frames.LEAVE:
                self._left = pickle.loads(body)
                return False
            self._push(body)
        return is_open

    def _push(self, data: bytes) -> None:
        """Hand it over, unless the command goes away meanwhile."""
        view = memoryview(data)
        gone = select.poll()
        gone.register(self._sock, select.POLLRDHUP)
        while view and not gone.poll(0):
            view = view[self._stream.push(bytes(view[:PIECE])) :]
