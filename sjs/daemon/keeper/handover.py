"""In the keeper: what one keeper leaves to the next, which is the same process with other code.

Its children stay its children, so no exit code is lost. What was only in its memory is written down as JSON in a
file without a name, whose descriptor the new code is given. Each descriptor in it stands under the name `fd`.

Newer code reads older records: what it does not find has its default. Older code never gets a newer record: it says
beforehand which it can read.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any, Dict, Iterator

from sjs.compact import to_json
from sjs.daemon.ground.program import Program

VERSION = 2

HELD_BACK = (signal.SIGTERM,)
"""What would end a process that has no handler yet. It comes when the new code is ready for it."""


def execute(program: Program, record: Dict[str, Any], *arguments: str) -> None:
    """Become that program's keeper; `arguments` follow the record's descriptor. Returns only by an OSError."""
    fd = os.memfd_create("hand-over", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as target:
            target.write(to_json({"version": VERSION, **record}).encode("ascii"))
        execute_again(program, fd, record, *arguments)
    finally:
        os.close(fd)


def execute_again(program: Program, fd: int, record: Dict[str, Any], *arguments: str) -> None:
    """The same with a record that is written already."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    set_inheritable(record, True)
    os.set_inheritable(fd, True)
    try:
        os.execv(program.python, program.command("keep", f"@{fd}", *arguments))
    finally:
        os.set_inheritable(fd, False)
        set_inheritable(record, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


def read(fd: int) -> Dict[str, Any]:
    """The record, as whoever executed this program has written it."""
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", closefd=False) as source:
        record = json.loads(source.read())
    if not isinstance(record, dict) or not isinstance(record.get("version"), int):
        raise ValueError("it is no record of a keeper")
    if record["version"] > VERSION:
        raise ValueError(f"it is of version {record['version']}; this code reads up to {VERSION}")
    return record


def set_inheritable(record: Any, inheritable: bool) -> None:
    """Let the descriptors of the record through to the next program, or not."""
    for fd in _descriptors(record):
        os.set_inheritable(fd, inheritable)


def _descriptors(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        if isinstance(value.get("fd"), int):
            yield value["fd"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _descriptors(one)
