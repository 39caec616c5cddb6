"""Two connections that are made one, as a proxy does it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


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
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
