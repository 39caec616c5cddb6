"""In `ask`, when a manager of simple-job-submit reads the door: what it can do of what our clients want.

It takes one job a request, knows no keys, and may be dead behind a pipe that somebody still reads; so each request has
its deadline, and nothing is ever sent twice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import termios
import time
from typing import Any, Callable, Dict, List, Sequence

from sjs import spec_json, wire
from sjs.core.job import Spec, ranges
from sjs.daemon.asking.replies import Answering
from sjs.daemon.ground import places
from sjs.daemon.ground.places import Places
from sjs.dialects import pipe_client
from sjs.errors import Full, NoManager, Refused, SjsError, Unreachable

DEADLINE = 10.0
"""Seconds for the answer to one request."""

ENOUGH = 20.0
"""Seconds after which no more jobs of a chunk are handed in: our client waits for 30."""

MAX_REPLY = 64 << 20
MAX_PORTS = 10_000
PIECE = 1 << 16


class Seed(Answering):
    """Answers what it can."""

    def __init__(self, where: Places) -> None:
        self._where = where
        self._dialect = self._recognised()
        hello = {"version": "simple-job-submit", "wire": wire.VERSION, "host": os.uname().nodename, "pid": 0}
        super().__init__({"hello": {**hello, "root": where.root, "pipe": where.pipe}}, self._reply)

    def _recognised(self) -> str:
        """The dialect that is understood there."""
        for dialect in pipe_client.DIALECTS:
            if self._status(dialect)["code"] != pipe_client.UNKNOWN:
                return dialect
        raise Unreachable(f"what reads {self._where.door} speaks no dialect of simple-job-submit")

    def _reply(self, request: Dict[str, Any]) -> Dict[str, Any]:
        if request.get("op") == "report":
            return self._report(wire.whole(request, "head", 0, wire.MAX_HEAD, 0))
        if request.get("op") == "configure":
            if not request.keys() <= {"op", "id", "max_jobs"}:
                raise Refused("seed manager: of configure it knows only --max-jobs-running")
            maximum = wire.whole(request, "max_jobs", 0, wire.MAX_ID)
            body = self._exchange(lambda port: pipe_client.ask_configure(maximum, port))
            return pipe_client.configured(pipe_client.granted(body))
        if request.get("op") == "submit":
            return self._submit(request)
        raise Refused("seed manager: only job, status and configure")

    def _report(self, head: int) -> Dict[str, Any]:
        return pipe_client.report(pipe_client.granted(self._status(self._dialect)), head)

    def _status(self, dialect: str) -> Dict[str, Any]:
        return self._exchange(lambda port: pipe_client.ask_status(dialect, port))

    def _submit(self, request: Dict[str, Any]) -> Dict[str, Any]:
        if request.get("again") is True:
            raise Refused("seed manager: knows no keys, so it cannot say whether it took these jobs before")
        specs = [spec_json.from_wire(body) for body in request.get("jobs") or []]
        for spec in specs:  # what cannot be sent is known before anything is
            pipe_client.ask_job(self._dialect, spec, f"{MAX_PORTS}.port")
        found = self._report(0)
        free = max(0, found["max"] - found["running"] - found["queued"])
        if request.get("if_free") is True and free < len(specs):
            raise Full(f"{free} free slots for {len(specs)} jobs" if free else "no free slot")
        ids = self._hand_in(specs)
        told = {"first": min(ids, default=0), "count": len(ids), "repeated": False, "max": found["max"]}
        return {**told, "ids": ranges(sorted(ids))}

    def _hand_in(self, specs: Sequence[Spec]) -> List[int]:
        """The ids of the jobs, which are handed in one by one. Others may hand in between them."""
        ids: List[int] = []
        enough = time.monotonic() + ENOUGH
        try:
            for spec in specs:
                if time.monotonic() > enough:
                    raise Refused("it is too slow for more")
                ids.append(self._hand_in_one(spec))
        except SjsError as error:
            if not ids:
                raise
            taken = f"seed manager: took {len(ids)} of {len(specs)} jobs, ids {ids[0]} to {ids[-1]}"
            raise type(error)(f"{taken}; then: {error.message}", error.hint) from None
        return ids

    def _hand_in_one(self, spec: Spec) -> int:
        body = self._exchange(lambda port: pipe_client.ask_job(self._dialect, spec, port))
        return pipe_client.job_id(pipe_client.granted(body))

    def _exchange(self, line: Callable[[str], bytes]) -> Dict[str, Any]:
        """One request, and its reply at a pipe of its own."""
        until = time.monotonic() + DEADLINE
        try:
            port = _make_port(self._where.root)
            path = os.path.join(self._where.root, port)
            try:
                replies = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    self._write(line(port), until)
                    return pipe_client.understood(_read(replies, until))
                finally:
                    os.close(replies)
            finally:
                os.unlink(path)
        except TimeoutError:
            message = f"seed manager: no answer within {DEADLINE:.0f} seconds; does what reads {self._where.door} live?"
            raise Unreachable(message) from None
        except OSError as error:
            raise Unreachable(f"{error.filename or self._where.door}: {error.strerror}") from None

    def _write(self, line: bytes, until: float) -> None:
        """The whole line at once, as soon as somebody reads the door and it has room; till then nothing is written.

        That manager may have read to the end and answered, and not closed the door yet; then it closes it on our line.
        While we hold the door open the line is kept, and read when it opens it again.
        """
        pause = 0.001
        while True:
            try:
                door = places.open_door(self._where.door, private=False)
                try:
                    os.write(door, line)
                    _wait_until_read(door, until)
                    return
                finally:
                    os.close(door)
            except (BlockingIOError, BrokenPipeError):
                pass
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            if time.monotonic() >= until:
                raise NoManager(f"nobody reads {self._where.door}")
            time.sleep(pause)  # between two requests nobody reads, and nothing tells when somebody will again
            pause = min(0.1, pause * 2)


def _wait_until_read(door: int, until: float) -> None:
    pause = 0.0001
    while _unread(door):
        if time.monotonic() >= until:
            raise TimeoutError
        time.sleep(pause)  # no event tells that a pipe is empty
        pause = min(0.1, pause * 2)


def _unread(pipe: int) -> int:
    """How many bytes wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def _make_port(root: str) -> str:
    """A pipe for a reply, named as that manager's own clients do it."""
    for number in range(1, MAX_PORTS):
        try:
            os.mkfifo(os.path.join(root, f"{number}.port"), 0o600)
        except FileExistsError:
            continue
        return f"{number}.port"
    raise Unreachable(f"{MAX_PORTS} reply pipes lie in {root}", "remove the *.port that nobody needs")


def _read(fd: int, until: float) -> bytes:
    """Everything up to the end that a writer makes of it."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    data = b""
    while len(data) <= MAX_REPLY:
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError
        try:
            piece = os.read(fd, PIECE)
        except BlockingIOError:
            continue
        if not piece:
            return data
        data += piece
    raise Unreachable(f"a reply of more than {MAX_REPLY >> 20} MiB")
