"""The process beside the warm one that keeps connections. It is forked while there is nothing yet that it does not
need, and loads what it needs while the other one does the same."""

from __future__ import annotations

import os
import socket


def begin(listener: int) -> tuple[int, socket.socket]:
    """Its pid, and the door by which workers come to it. It ends when nobody has that any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    try:
        ours.close()
        os.close(listener)
        from sjs.transport.lines import serve

        serve(theirs)
    finally:
        os._exit(1)  # with all connections
