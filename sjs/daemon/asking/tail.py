"""In `ask`: a job's output, from its file to the client, as it grows. The manager only says where the file is.

Nothing is asked again and again: inotify tells when a file has grown, the manager tells when the job has ended. Only
what another machine writes (the node of a cluster) is looked at by time: of that no kernel tells.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
from typing import Any, Callable, Dict, List, Optional

from sjs.compact import to_json
from sjs.daemon.ground.kernel import IN_MODIFY, Inotify
from sjs.daemon.ground.kind import LOOK

FRAME = 256 << 10
FRAMES_A_TURN = 16

PACE = 1.0
"""Seconds between two last lines of one output."""

LAST = 4096
"""Bytes at the end of a file in which its last line is looked for, …"""

LONGEST = 200
"""… and how many of that line somebody sees who wants no more."""

Write = Callable[[bytes], None]


class Tails:
    """The reads of one client."""

    def __init__(self, ask: Write, write: Write) -> None:
        self._ask = ask
        self._write = write
        self._inotify = Inotify()
        self._tails: Dict[str, Tail] = {}
        self._watches: Dict[int, List[Tail]] = {}
        self._count = 0

    @property
    def fd(self) -> int:
        """Becomes readable when a file has grown."""
        return self._inotify.fd

    @property
    def busy(self) -> bool:
        return bool(self._tails)

    @property
    def pause(self) -> Optional[float]:
        """In how many seconds there is something to do: at once where a file has more than one turn took of it; None is
        when one has grown."""
        due = [one.due for one in self._tails.values() if one.has_more]
        due += [one.look_at for one in self._tails.values() if one.look_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def add(self, line: bytes) -> None:
        """Begin with a client's `read` request."""
        try:
            request = json.loads(line)
        except ValueError:
            self._ask(line)  # the manager says what is wrong with a line
            return
        fault = _fault(request)
        if fault:
            Tail({"id": request.get("id")}, self._write).fail({"code": "bad_request", "message": fault})
            return
        self._count += 1
        name = f"ask.{self._count}"
        tail = self._tails[name] = Tail(request, self._write)
        self._ask_where(name, tail, request.get("job"))

    def heard(self, line: bytes) -> None:
        """The manager's word on one of our own requests."""
        reply = json.loads(line)
        name = reply["id"]
        tail = self._tails[name]
        if "error" in reply:
            tail.fail(reply["error"])
        elif "record" in reply:
            try:
                self._begin(name, tail, reply)
            except OSError as error:
                tail.fail({"code": "refused", "message": f"the output cannot be read: {error.strerror}"})
        elif reply["job"].get("reason"):
            tail.end(reply["job"])
        else:  # that attempt was lost, and there will be another, with an output of its own
            tail.begin_again()
            self._ask_where(name, tail, reply["job"]["id"])
        if tail.done:
            del self._tails[name]

    def turn(self, ready: List[int]) -> None:
        """Send on what has come."""
        if self.fd in ready:
            for number, _ in self._inotify.read():
                for tail in self._watches.get(number, []):
                    tail.has_more = True
        now = time.monotonic()
        for tail in list(self._tails.values()):
            if tail.look_at is not None and tail.look_at <= now:
                tail.look_again(now)
            if tail.has_more and tail.due <= now:
                tail.pump()

    def _begin(self, name: str, tail: Tail, reply: Dict[str, Any]) -> None:
        path = reply[tail.stream]
        if "gone" in reply and not os.path.exists(path):
            tail.fail({"code": "refused", "message": reply["gone"]})
            return
        if reply["final"] or not tail.follow:
            tail.open(path, reply["record"]["attempt"])
            tail.end(reply["record"])
            return
        with contextlib.suppress(FileNotFoundError):  # it ended this moment without a word; the manager will say so
            self._watches.setdefault(self._inotify.watch(path, IN_MODIFY), []).append(tail)
        tail.open(path, reply["record"]["attempt"])
        if reply.get("elsewhere"):
            tail.look_again(time.monotonic())
        job = reply["record"]["id"]
        self._ask_manager({"op": "wait", "id": name, "jobs": [[job, job]], "attempt": reply["record"]["attempt"]})

    def _ask_where(self, name: str, tail: Tail, job: Any) -> None:
        asked = {"op": "output", "id": name, "job": job, "follow": tail.follow, **tail.of}
        self._ask_manager(asked if tail.submitter is None else {**asked, "submitter": tail.submitter})

    def _ask_manager(self, request: Dict[str, Any]) -> None:
        self._ask(to_json(request).encode("ascii") + b"\n")


class Tail:
    """One stream of one job, for one request."""

    def __init__(self, request: Dict[str, Any], write: Write) -> None:
        self._id = request.get("id")
        self._write = write
        self._offset = max(0, int(request.get("offset") or 0))
        self._lines: Optional[int] = request.get("lines")
        self._since: Optional[float] = request.get("since")
        self._attempt = request.get("attempt")
        self._fd = -1
        self._path = ""
        self.look_at: Optional[float] = None  # where another machine writes it
        self.stream = "err" if request.get("stream") == "err" else "out"
        self.submitter = request.get("submitter")
        self.of = {} if request.get("of") is None else {"of": request["of"]}
        self.follow = request.get("follow") is True
        self._is_brief = request.get("brief") is True
        self._last = b""
        self.due = 0.0
        self.has_more = False
        self.done = False

    def open(self, path: str, attempt: Optional[int]) -> None:
        """Open the file, at the offset, if that was one of this attempt, or at the last lines; a job that wrote nothing
        has none."""
        if self._attempt not in (None, attempt):
            self._offset = 0
        self._attempt = attempt
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        file = os.fstat(self._fd)
        if not stat.S_ISREG(file.st_mode):
            raise OSError(errno.EINVAL, "it is no file any more", path)
        if self._since is not None and file.st_mtime < self._since:
            self._offset = file.st_size
        elif self._lines is not None:
            self._offset = start_of_lines(self._fd, int(self._lines))
        self.has_more = True

    def look_again(self, now: float) -> None:
        """Open the file anew, for only that has a network file system tell what is in it by now."""
        self.look_at = now + LOOK
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._since = self._lines = None  # where to begin is known
        self.open(self._path, self._attempt)

    def pump(self, frames: int = FRAMES_A_TURN) -> None:
        """Send what the file has now, at most so many frames."""
        if self._is_brief:
            self._send_last()
            return
        while self._fd >= 0 and frames:
            data = os.pread(self._fd, FRAME, self._offset)
            if not data:
                self.has_more = False
                return
            self._say({"bytes": len(data), "offset": self._offset, "attempt": self._attempt})
            self._write(data)
            self._offset += len(data)
            frames -= 1

    def _send_last(self) -> None:
        """The last line of the file, unless that was sent; how it begins, where it is long."""
        self.has_more = False
        if self._fd < 0:
            return
        self.due = time.monotonic() + PACE
        self._offset = os.fstat(self._fd).st_size
        last = last_line(os.pread(self._fd, LAST, max(0, self._offset - LAST)))
        if last and last != self._last:
            self._last = last
            self._say({"bytes": len(last), "offset": self._offset, "attempt": self._attempt})
            self._write(last)

    def end(self, record: Dict[str, Any]) -> None:
        """The job has ended, or its end is not waited for: send what there is now, and say so."""
        if self.look_at is not None:
            self.look_again(time.monotonic())
        self._send_rest()
        self._say({"end": record, "offset": self._offset})
        self._close()
        self.done = True

    def begin_again(self) -> None:
        """Send what there is now; then there is another file."""
        self._send_rest()
        self._close()
        self._offset, self._lines, self._since, self._attempt = 0, None, None, None
        self.look_at = None

    def _send_rest(self) -> None:
        if self._is_brief:
            self._send_last()
            return
        size = os.fstat(self._fd).st_size if self._fd >= 0 else 0
        self.has_more = True
        while self.has_more and self._offset < size:
            self.pump(1)

    def fail(self, error: Dict[str, Any]) -> None:
        self._say({"error": error})
        self._close()
        self.done = True

    def _say(self, body: Dict[str, Any]) -> None:
        self._write(to_json({"id": self._id, **body}).encode("ascii") + b"\n")

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.has_more = False
        self.look_at = None


def _fault(request: Dict[str, Any]) -> str:
    for name in ("offset", "lines"):
        value = request.get(name)
        if value is not None and not (type(value) is int and 0 <= value < 1 << 62):
            return f"'{name}' must be a whole number"
    since = request.get("since")
    return "" if since is None or type(since) in (int, float) else "'since' must be a time"


def last_line(data: bytes) -> bytes:
    """The last line in which there is something; one that is written over again and again, as it stands."""
    for line in reversed(data.replace(b"\r", b"\n").split(b"\n")):
        if line.strip():
            return line.strip()[:LONGEST]
    return b""


def start_of_lines(fd: int, lines: int) -> int:
    """Where the last so many lines of a file begin."""
    end = at = os.fstat(fd).st_size
    if lines <= 0:
        return end
    left = lines + 1 if end and os.pread(fd, 1, end - 1) == b"\n" else lines
    while at > 0:
        low = max(0, at - FRAME)
        piece = os.pread(fd, at - low, low)
        for _ in range(piece.count(b"\n")):
            left -= 1
            if left == 0:
                return low + piece.rindex(b"\n") + 1
            piece = piece[: piece.rindex(b"\n")]
        at = low
    return 0
