"""What the two ends of a stream through the link say to each other: pieces with a letter and a length before each."""

from __future__ import annotations

import socket

OPEN, LOOK, NOTICE, OPENED, ALONE, WAY = b"o", b"l", b"n", b"O", b"A", b"W"
"""Open a stream, or say what is kept; a line for the person; here it is; do it yourself; say by which way."""

DATA, LEAVE, FAILED = b"D", b"L", b"F"
"""Bytes; keep the stream for the next one; why nothing more will come."""

HEAD = 5
MOST = 1 << 24


def framed(kind: bytes, data: bytes = b"") -> bytes:
    """A piece."""
    return kind + len(data).to_bytes(HEAD - 1, "big") + data


class Frames:
    """What comes over a socket, in whole pieces."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._data = bytearray()

    def read(self) -> bool:
        """Take what has come, once; not, if nothing more will."""
        try:
            came = self._sock.recv(1 << 18)
        except ConnectionResetError:
            return False
        self._data += came
        return bool(came)

    def next(self) -> tuple[bytes, bytes] | None:
        """The next piece that is there."""
        if len(self._data) < HEAD:
            return None
        end = HEAD + int.from_bytes(self._data[1:HEAD], "big")
        if len(self._data) < end:
            return None
        piece = bytes(self._data[:1]), bytes(self._data[HEAD:end])
        del self._data[:end]
        return piece
