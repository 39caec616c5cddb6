"""What systemd, or whoever else started us and wants to know, is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def tell(said: str, environ: Mapping[str, str]) -> None:
    """READY=1 and its like (sd_notify), where somebody listens for it."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.connect(address)
        one.sendall(said.encode())


def reads_levels(environ: Mapping[str, str], fd: int = 2) -> bool:
    """Whether what is written there goes to the journal, which takes the level from the beginning of a line."""
    found = os.fstat(fd)
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
