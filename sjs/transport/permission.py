"""By what a connection came about, and whether it would come about again now. No password is among it: what was opened
by one, or by a key that somebody had to unlock, is not asked about but closed."""

from __future__ import annotations

import os
import socket

from sjs.values import dataclass

ANSWER = 5.0
"""Seconds for an agent to list its keys."""

_LIST, _KEYS = b"\0\0\0\1\x0b", 12
_MOST = 1 << 20

Look = tuple[int, int, int]


@dataclass(frozen=True)
class InAgent:
    """A key that an agent has used for us. `path`: of its socket."""

    path: str
    blob: bytes

    def holds(self) -> bool:
        """Whether the agent would still do so."""
        try:
            return self.blob in _listed(self.path)
        except OSError:  # then nobody would sign
            return False

    def __str__(self) -> str:
        return "a key of the agent"


@dataclass(frozen=True)
class InFile:
    """A key that anybody can use who can read its file."""

    path: str
    seen: Look | None

    def holds(self) -> bool:
        """Whether it is there as it was."""
        return self.seen is not None and self.seen == look(self.path) and os.access(self.path, os.R_OK)

    def __str__(self) -> str:
        return self.path


Permission = InAgent | InFile


def look(path: str) -> Look | None:
    """What changes when a file does; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _listed(path: str) -> list[bytes]:
    """The public keys that an agent lists."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER)
        sock.connect(path)
        sock.sendall(_LIST)
        size = int.from_bytes(_exactly(sock, 4), "big")
        answer = _exactly(sock, min(size, _MOST))
    found, at = [], 5
    for _ in range(int.from_bytes(answer[1:5], "big") if answer[:1] == bytes([_KEYS]) else 0):
        blob, at = _text(answer, at)
        _, at = _text(answer, at)
        found.append(blob)
    return found


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 4 + int.from_bytes(data[at : at + 4], "big")
    return data[at + 4 : end], end


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        came = sock.recv(count - len(data))
        if not came:
            raise ConnectionResetError
        data += came
    return data
