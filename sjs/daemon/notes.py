"""What a daemon has to say to people: one line with the time, to stderr, which is the log file."""

from __future__ import annotations

import os
import sys
import time


def note(text: str) -> None:
    """Write the line. A full disk must not stop a queue: then the line is dropped, and that is all."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    try:
        os.write(
            2,
            f"{stamp} {os.path.basename(sys.argv[1] if len(sys.argv) > 1 else 'sjs')} {text}\n".encode(
                "utf-8", "backslashreplace"
            ),
        )
    except OSError:
        return


def last_line(path: str) -> str:
    """The last line of a log, for a message that must stand on one."""
    try:
        with open(path, "rb") as source:
            source.seek(max(0, os.stat(path).st_size - 4096))
            return source.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    except FileNotFoundError:
        return f"no log at {path}"
