"""Starting a keeper, detached from whoever starts it, and hearing how that went. Used by `job_manager` and by `ask`."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Dict, List, Optional, Tuple

from sjs.daemon.ground import places
from sjs.daemon.ground.notes import last_line
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS

DEADLINE = 20.0
"""Seconds that a manager may take to open its queue (a large one may have to be checked after a crash)."""


def settings(*values: Optional[int]) -> str:
    """How a manager is told the maximum, the days for which outputs and the number of jobs whose records are kept, and
    the bytes that are to be free."""
    return ",".join("-" if value is None else str(value) for value in values)


def start(where: Places, maximum: str, kind: Optional[str] = None) -> Tuple[str, str]:
    """Have a manager: ("ready", its pid), ("running", who was there before) or ("failed", why). `kind`: of which the
    queue is to be; None: as it is."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        outcome, detail = _start_keeper(where, maximum, kind)
        if outcome == "busy":
            outcome, detail = _join(where, maximum, until)
        if outcome:
            return outcome, detail
        elsewhere = places.held_elsewhere(where)
        if elsewhere and time.monotonic() > until - DEADLINE + places.NEWBORN:
            return "failed", elsewhere
        time.sleep(0.05)  # that keeper was just born, or is just gone: nothing tells which
    return "failed", f"{places.holder(where.keeper_lock)} is in its place and does not answer: {last_line(where.log)}"


def _join(where: Places, maximum: str, until: float) -> Tuple[str, str]:
    """A keeper is there. It may be waiting for its last jobs, without a manager; then it starts one."""
    import json

    try:
        with connect(where) as connection:
            connection.settimeout(max(0.1, until - time.monotonic()))
            connection.sendall(json.dumps({"do": "start", "max": maximum}).encode("ascii") + b"\n")
            for event in map(json.loads, connection.makefile("rb")):
                if event["event"] == "ready":
                    return "ready", str(event["pid"])
                if event["event"] == "running":
                    return "running", f"host {event['host']}, pid {event['pid']}"
    except (FileNotFoundError, ConnectionError, socket.timeout):
        pass
    return "", ""


def _start_keeper(where: Places, maximum: str, kind: Optional[str]) -> Tuple[str, str]:
    from sjs.daemon.ground import login

    where.make()
    first = login.apart()
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        _detach(where, [maximum, *([] if kind is None else [kind])], writing, first)
    os.close(writing)
    os.waitpid(middle, 0)
    try:
        return _hear(reading, where)
    finally:
        os.close(reading)


def _detach(where: Places, wanted: List[str], report_fd: int, first: List[str]) -> None:
    """In a child: become a keeper that no terminal, login or parent can take down. Never returns."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir(where.root)
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(where.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(report_fd, 3)
        os.closerange(4, 1 << 12)
        command = [*first, *OURS.command("keep", "3", where.root, where.pipe, where.state, *wanted)]
        os.execvpe(command[0], command, clean(dict(os.environ)))
    except OSError as error:
        os.write(report_fd, f"failed {error}\n".encode("utf-8", "backslashreplace"))
    finally:
        os._exit(127)


def clean(environ: Dict[str, str]) -> Dict[str, str]:
    """The environment without the marks of a job in which the start may happen: the new keeper is not part of it."""
    return {name: value for name, value in environ.items() if not name.startswith("SJS_")}


def _hear(reading: int, where: Places) -> Tuple[str, str]:
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    heard, until = b"", time.monotonic() + DEADLINE
    while not heard.endswith(b"\n"):
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return "failed", f"no word from it in {DEADLINE:g} s; see {where.log}"
        piece = os.read(reading, 4096)
        if not piece:
            return "failed", f"it died without a word; see {where.log}"
        heard += piece
    outcome, _, detail = heard.decode("utf-8", "replace").strip().partition(" ")
    if outcome == "failed":
        detail = f"{detail}: {last_line(where.log)}"
    return outcome, detail


def connect(where: Places) -> socket.socket:
    """Connect to the keeper's socket, whose path may be longer than a socket's name can be."""
    folder = os.open(where.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{os.path.basename(where.keeper_socket)}")
        except OSError:
            connection.close()
            raise
        return connection
    finally:
        os.close(folder)
