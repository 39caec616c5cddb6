"""What systemd, or whoever else started us and wants to know, is told."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

LOG = logging.getLogger("sjs.gateway")


def tell(said: str, environ: Mapping[str, str]) -> None:
    """READY=1 and its like (sd_notify), where somebody listens for it; who does not any more keeps it from nothing."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        try:
            one.connect(address)
            one.sendall(said.encode())
        except OSError as error:
            LOG.warning("nobody at NOTIFY_SOCKET, %s, could be told %s: %s", path, said, os.strerror(error.errno or 0))


def reads_levels(environ: Mapping[str, str], fd: int = 2) -> bool:
    """Whether what is written there goes to the journal, which takes the level from the beginning of a line."""
    found = os.fstat(fd)
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
