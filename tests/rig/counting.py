"""submit, with a note of what goes over each ssh stream: a line `NUMBER up` for each message of ours, `NUMBER down` for
each line that is understood. Runs inside the lab:

    python -m tests.rig.counting NOTES all status
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sjs.cli.main import submit
from sjs.protocols import Stream
from sjs.transport.openssh import OpensshTransport
from sjs.transport.ssh import SshTransport
from tests.rig.proxy import DOWN, UP


def count(transport: Any, notes: int) -> None:
    """Let each stream of this kind of transport be counted."""
    opened: Callable[[Any, Sequence[str]], Stream] = transport.open

    def open_counted(self: Any, argv: Sequence[str]) -> Stream:
        stream: Any = opened(self, argv)
        number = next(_numbers)
        send, line = stream.send, stream.line

        def send_counted(data: bytes, deadline: float) -> None:
            os.write(notes, f"{number} {UP}\n".encode())
            send(data, deadline)

        def line_counted(deadline: float) -> bytes:
            found: bytes = line(deadline)
            os.write(notes, f"{number} {DOWN}\n".encode())
            return found

        stream.send, stream.line = send_counted, line_counted
        counted: Stream = stream
        return counted

    transport.open = open_counted


_numbers = itertools.count()

if __name__ == "__main__":
    notes = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for kind in (SshTransport, OpensshTransport):
        count(kind, notes)
    submit()
