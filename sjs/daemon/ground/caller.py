"""Whoever called this process over a connection: its greeting, and bytes to it. Light, for `ask` loads it."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` takes as long to load as all else that is here
if TYPE_CHECKING:
    from typing import List, Optional

STDOUT = 1
MARKER = b"sjs 1\n"
EX_UNAVAILABLE = 69


def greet(header: bytes) -> Optional[List[str]]:
    """What the first line says: project root, pipe, state folder, start, and of which kind the queue is to be. None if
    it is not ours, which was said."""
    fields = header.decode("utf-8", "surrogateescape").split("\0")
    write(MARKER)
    if len(fields) in (5, 6) and fields[0] == "sjs 1":
        return [*fields[1:], *[""] * (6 - len(fields))]
    write(error_line("bad_request", "the first line is no sjs 1 header", "client and machine differ in version"))
    return None


def write(data: bytes) -> None:
    """All of it to the caller."""
    view = memoryview(data)
    while view:
        view = view[os.write(STDOUT, view) :]


def error_line(code: str, message: str, hint: str = "") -> bytes:
    """An error that concerns the whole session."""
    import json

    return json.dumps({"error": {"code": code, "message": message, "hint": hint}}).encode("ascii") + b"\n"
