"""A TCP proxy that fails on request, at an exact byte: `with Proxy(("10.88.0.11", 22)) as proxy`.

    close, reset    the connection ends, with a FIN or a RST
    stall           nothing moves any more, and nobody is told
    corrupt         one byte is changed, all else passes

One thread, which only carries. Bytes are counted in each direction of each connection, from its beginning.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

PIECE = 1 << 16
UP, DOWN = "up", "down"
KINDS = ("close", "reset", "stall", "corrupt")

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """What goes wrong: up (to the server) or down, once `after` bytes have passed that way."""

    kind: str
    way: str
    after: int


class Proxy:
    """Listens on 127.0.0.1. `strike` is for the next connection only; the others are carried faithfully."""

    def __init__(self, server: tuple[str, int], port: int = 0) -> None:
        self.connections: list[Connection] = []
        self._server = server
        self._next: Fault | None = None
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._bell = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Proxy:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._bell.close()
        self._thread.join()
        for one in self.connections:
            one.end()
        self._selector.close()
        self._listener.close()
        self._wakeup.close()

    def strike(self, fault: Fault | None) -> None:
        """Let the next connection fail so."""
        self._next = fault

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        fault, self._next = self._next, None
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        self.connections.append(Connection(self._selector, client, server, fault))
        self.connections[-1].begin()


class Connection:
    """One that was taken. `up` and `down`: bytes that have passed; `struck`: whether its fault has come; `port`: where
    the server sees it come from."""

    def __init__(
        self, selector: selectors.BaseSelector, client: socket.socket, server: socket.socket, fault: Fault | None
    ) -> None:
        self.struck = False
        self.port: int = server.getsockname()[1]
        self._selector = selector
        self._fault = fault
        self._sockets = (client, server)
        self._ways = {UP: _Way(client, server), DOWN: _Way(server, client)}
        for one in self._sockets:
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def marks(self, way: str) -> list[int]:
        """How far it had come that way after each piece that was sent on: where packets end, as a rule."""
        return self._ways[way].marks

    @property
    def up(self) -> int:
        return self._ways[UP].count

    @property
    def down(self) -> int:
        return self._ways[DOWN].count

    def begin(self) -> None:
        """Carry from now on."""
        self._go_on()

    def end(self, reset: bool = False) -> None:
        """Close both sides."""
        for one in self._sockets:
            if one.fileno() >= 0:
                self._forget(one)
                if reset:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()

    def _turn(self) -> None:
        """Carry what can be carried."""
        if self._is_over or self._sockets[0].fileno() < 0:
            return  # both sides were ready, and the other one's turn was the last
        try:
            for name, way in self._ways.items():
                way.receive()
                if not self._is_over:
                    way.send(self._room(name, way))
        except OSError:
            self.end(reset=True)  # one side has failed: so has the other
        else:
            self._go_on()

    def _room(self, name: str, way: _Way) -> int:
        """How many bytes may go this way now."""
        fault = self._fault
        if fault is None or fault.way != name:
            return PIECE
        if fault.kind == "corrupt":
            self.struck = self.struck or way.spoil(fault.after)
            return PIECE
        return fault.after - way.count

    @property
    def _is_over(self) -> bool:
        """Whether the fault has come after which nothing passes."""
        fault = self._fault
        return fault is not None and fault.kind != "corrupt" and self._ways[fault.way].count >= fault.after

    def _go_on(self) -> None:
        """Wait for what comes next, or let the fault happen."""
        if self._fault and self._is_over:
            self.struck = True
            for one in self._sockets:
                self._forget(one)
            if self._fault.kind != "stall":
                self.end(reset=self._fault.kind == "reset")
        elif all(way.done for way in self._ways.values()):
            self.end()
        else:
            self._watch(self._sockets[0], self._ways[UP], self._ways[DOWN])
            self._watch(self._sockets[1], self._ways[DOWN], self._ways[UP])

    def _watch(self, one: socket.socket, reading: _Way, writing: _Way) -> None:
        events = selectors.EVENT_READ if reading.wants_more else 0
        events |= selectors.EVENT_WRITE if writing.pending else 0
        self._forget(one)
        if events:
            self._selector.register(one, events, self._turn)

    def _forget(self, one: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(one)


class _Way:
    """One direction: what has been read and not yet sent, and how much was sent."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.count = 0
        self.marks: list[int] = []
        self.pending = b""
        self.done = False
        self._ended = False
        self._source = source
        self._sink = sink

    @property
    def wants_more(self) -> bool:
        return not self.pending and not self._ended

    def receive(self) -> None:
        if self.wants_more and (data := _now(lambda: self._source.recv(PIECE))) is not None:
            self.pending = data
            self._ended = not data

    def send(self, most: int) -> None:
        if self.pending and (sent := _now(lambda: self._sink.send(self.pending[:most]))) is not None:
            self.count += sent
            self.marks.append(self.count)
            self.pending = self.pending[sent:]
        if self._ended and not self.done:
            self.done = True
            self._sink.shutdown(socket.SHUT_WR)

    def spoil(self, index: int) -> bool:
        """Change the byte with this number, if it is about to be sent."""
        here = index - self.count
        if not 0 <= here < len(self.pending):
            return False
        self.pending = self.pending[:here] + bytes([self.pending[here] ^ 0xFF]) + self.pending[here + 1 :]
        return True


def _now(call: Callable[[], T]) -> T | None:
    """What a call gives that does not wait; None if it would."""
    try:
        return call()
    except BlockingIOError:
        return None
