"""What serves connections as a test wants it: at an end of its own, or by making one of two, as a proxy does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.live.machine import DEADLINE


class Listening:
    """Gives each connection to `serve`, in a thread of its own, from when it is made until it is closed."""

    def __init__(self, serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._serve, self._tls = serve, tls
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._taken: list[socket.socket] = []
        self._troubles: list[Exception] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._taken)

    def close(self) -> None:
        """Whoever is still served is cut off. What has gone wrong in serving is raised here."""
        self._door.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # the first one, which makes the others, is over first
            for one in self._taken:
                _shut(one)
            thread.join(DEADLINE)
            assert not thread.is_alive()
        self._door.close()
        for trouble in self._troubles:
            raise trouble

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._door.accept()
            except OSError:
                return  # closed
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self._taken.append(sock)
            self._threads.append(threading.Thread(target=self._carried, args=(sock,)))
            self._threads[-1].start()

    def _carried(self, sock: socket.socket) -> None:
        try:
            with sock:
                if isinstance(sock, ssl.SSLSocket):
                    sock.do_handshake()
                self._serve(sock)
        except OSError:
            return  # who asked has gone, which is what some are here for
        except Exception as error:  # noqa: BLE001 (raised where it is waited for)
            self._troubles.append(error)


def tunnel(near: socket.socket, far: socket.socket) -> None:
    """Carry what comes from either to the other, until one of them ends. No thread of it is left then."""
    back = threading.Thread(target=_carry, args=(far, near))
    back.start()
    _carry(near, far)
    back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # one of both has gone
        while data := source.recv(1 << 16):
            target.sendall(data)
    for one in (source, target):
        _shut(one)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # it is closed, or its other end is
        socket.socket.shutdown(one, socket.SHUT_RDWR)  # not that of TLS, which whoever reads is in the middle of
