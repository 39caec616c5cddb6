"""`ask`: one client's way to a manager. Opens a session through the door, and copies lines both ways.

    stdin    sjs 1 NUL root NUL pipe NUL state folder or nothing NUL start [NUL kind], then requests, a line each
    stdout   sjs 1, then the manager's hello, then replies

Start is `-` (never start a manager), `start=N` (start one if there is none, unless it was stopped on purpose) or
`restart=N` (start it even then); without N as many jobs run at once as there are CPUs. The kind is `slurm`, or
nothing for an ordinary queue, whose jobs run on this machine.

This runs once for every command that anybody types, so it loads next to nothing, and reads nothing that it copies, but
for one request: `read`, which it answers itself from the files that the manager names (`tail`).
"""

from __future__ import annotations

import errno
import os
import select
import time

from sjs.daemon.ground import kind as kinds
from sjs.daemon.ground import places
from sjs.daemon.ground.caller import EX_UNAVAILABLE, STDOUT, error_line, greet, write
from sjs.daemon.ground.places import Places

TYPE_CHECKING = False  # `typing` takes as long to load as all else that is here
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple

DEADLINE = 30.0
"""Seconds that a manager may take to answer the door: it may be on its way up again."""

BUSY = 0.5
"""Seconds for which nobody may read the door of a manager of simple-job-submit that lives."""

PIECE = 1 << 18
READ = b'{"op":"read"'
OURS = b'{"id":"ask.'

REMEDIES = {
    errno.EROFS: "make it writable again",
    errno.ENOSPC: "free some there",
    errno.EDQUOT: "free some there",
}
"""What helps against a disk that takes no more. What the queue holds is safe meanwhile."""


class Refusal(Exception):
    """Why there is no session: an error's code, message and hint."""


def main() -> int:
    """Serve one client at stdin and stdout."""
    feed = Feed(0)
    wanted = greet(feed.line())
    if wanted is None:
        return EX_UNAVAILABLE
    try:
        peer = find_manager(*wanted)
    except Refusal as refusal:
        write(error_line(*refusal.args))
        return EX_UNAVAILABLE
    try:
        Relay(feed, peer).run()
    except BrokenPipeError:
        return EX_UNAVAILABLE  # the client is gone
    return 0


class Feed:
    """Lines from a descriptor that is read when there is something."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = False
        self._rest = b""

    def line(self) -> bytes:
        """Wait for the first line; what follows it stays."""
        while b"\n" not in self._rest and not self.ended:
            self._read()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def lines(self) -> List[bytes]:
        """The whole lines that are there, ends included, after one read."""
        self._read()
        return self.waiting()

    def waiting(self) -> List[bytes]:
        """The whole lines that were read already."""
        *whole, self._rest = self._rest.split(b"\n")
        return [line + b"\n" for line in whole]

    def _read(self) -> None:
        try:
            data = os.read(self.fd, PIECE)
        except BlockingIOError:
            return
        self.ended = not data
        self._rest += data


class Session:
    """A manager, reached through a pair of pipes."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests = requests
        self._unsent = b""
        self._is_last = False
        self.feed = Feed(replies)

    def send(self, line: bytes) -> None:
        """Send a request, or what of it the pipe takes now."""
        self._unsent += line
        self.flush()

    def flush(self) -> None:
        while self._unsent:
            try:
                self._unsent = self._unsent[os.write(self._requests, self._unsent[:PIECE]) :]
            except BlockingIOError:
                return
        if self._is_last:
            os.close(self._requests)
            self._is_last = False

    def wanted(self) -> List[Tuple[int, int]]:
        """What to poll for."""
        sending = [(self._requests, select.POLLOUT)] if self._unsent else []
        return [(self.feed.fd, select.POLLIN), *sending]

    def no_more(self) -> None:
        """The client has nothing more to ask. The manager answers what it was asked, and closes its end."""
        self._is_last = True
        self.flush()


class Relay:
    """Copies lines between a client and a manager."""

    def __init__(self, client: Feed, peer: Any) -> None:
        self._client = client
        self._peer = peer
        self._tails: Any = None

    def run(self) -> None:
        """Until the manager closes its end, which it also does when the client has closed its own and was answered."""
        self._from_client(self._client.waiting())
        asking = True
        while not self._peer.feed.ended:
            ready = self._wait(asking)
            if STDOUT in ready:
                return  # the client is gone, and wants none of what may come
            if self._peer.feed.fd in ready:
                self._from_manager(self._peer.feed.lines())
            if asking and self._client.fd in ready:
                self._from_client(self._client.lines())
            self._peer.flush()
            if self._tails is not None:
                self._tails.turn(ready)
            if asking and self._client.ended and not (self._tails and self._tails.busy):
                asking = False
                self._peer.no_more()

    def _wait(self, asking: bool) -> List[int]:
        poll = select.poll()
        poll.register(STDOUT, 0)
        for fd, events in self._peer.wanted():
            poll.register(fd, events)
        if asking and not self._client.ended:
            poll.register(self._client.fd, select.POLLIN)
        if self._tails is not None:
            poll.register(self._tails.fd, select.POLLIN)
        pause = None if self._tails is None else self._tails.pause
        return [fd for fd, _ in poll.poll(None if pause is None else int(pause * 1000 + 0.999))]

    def _from_client(self, lines: List[bytes]) -> None:
        for line in lines:
            if line.startswith(READ):
                self._tail().add(line)
            else:
                self._peer.send(line)

    def _from_manager(self, lines: List[bytes]) -> None:
        for line in lines:
            if line.startswith(OURS):
                self._tails.heard(line)
            else:
                write(line)

    def _tail(self) -> Any:
        if self._tails is None:
            from sjs.daemon.asking.tail import Tails

            self._tails = Tails(self._peer.send, write)
        return self._tails


def find_manager(root: str, pipe: str, state: str, start: str, kind: Optional[str] = None) -> Any:
    """A session with the queue's manager; without one, started if that is wanted, or else the records it left. `kind`:
    of which it is to be, where that matters."""
    if kind not in (None, *kinds.KINDS):
        raise Refusal("refused", f"this version knows no queue of the kind {kind!r:.40}")
    if start.startswith("restart"):
        _make_root(os.path.expanduser(root))
    where = Places(root, pipe, kinds.state_folder(kind, root, pipe, state))
    try:
        where.check()
    except OSError as error:
        raise Refusal("refused", f"{error.filename} {error.strerror}") from None
    problem = kinds.refusal(where, kind)
    if problem:
        raise Refusal("refused", problem, "`type:` in config.yaml says of which kind a target is")
    until = time.monotonic() + DEADLINE
    pause = 0.005
    while time.monotonic() < until:
        session = knock(where, start, until)
        if session is not None:
            return session
        if os.path.exists(where.stopped) and not start.startswith("restart"):
            return _stopped(where, start)
        if start != "-":
            _start(where, start, kind)  # a keeper that lives on for its last jobs is asked for a manager
        elif not where.is_taken():
            return _records(where)
        elsewhere = places.held_elsewhere(where)
        if elsewhere and time.monotonic() > until - DEADLINE + places.NEWBORN:
            raise Refusal("no_manager", elsewhere)
        time.sleep(pause)  # a keeper is there and its manager is not yet: nothing tells when it will be
        pause = min(0.25, pause * 2)
    raise Refusal("no_manager", f"the manager of {where.door} does not come up; see {where.log}")


def knock(where: Places, start: str, until: float) -> Any:
    """A session, if somebody reads the door; who does and has none of our locks is a manager of simple-job-submit."""
    try:
        door = _opened(where)
        if door is None:
            return None
        try:
            if where.is_taken():
                places.check_pipe(door, where.door)
                return _open_session(where, door, until)
        finally:
            os.close(door)
    except OSError as error:
        raise _shut(where.door, error) from None
    return _seed(where, start)


def _shut(what: str, error: OSError) -> Refusal:
    return Refusal("unreachable", f"{what}: {error.strerror}", REMEDIES.get(error.errno or 0, ""))


def _opened(where: Places) -> Optional[int]:
    """The door; None when nobody reads it. A manager of simple-job-submit does not while it is at a request, so where
    one of ours never was, that is looked at for a moment."""
    until = time.monotonic() + BUSY
    while True:
        try:
            return places.open_door(where.door, private=False)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise
            if error.errno == errno.ENOENT or os.path.exists(where.database) or time.monotonic() >= until:
                return None
        time.sleep(0.005)


def _seed(where: Places, start: str) -> Any:
    from sjs.daemon.asking.seed import Seed
    from sjs.errors import SjsError

    if start.startswith("restart"):
        raise Refusal("refused", "seed manager: it runs already", "to have ours in its place, end it first")
    try:
        return Seed(where)
    except SjsError as error:
        raise Refusal(error.code, error.message, error.hint) from None


def _open_session(where: Places, door: int, until: float) -> Optional[Session]:
    """Make a pair of pipes, name them at the door, wait for the first word. Both ends are open before, so none can be
    missed: this side's end of file is the other's death."""
    name = f"{os.getpid()}-{os.urandom(4).hex()}"
    base = os.path.join(where.sessions, name)
    flags = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.mkfifo(base + ".in", 0o600)
        os.mkfifo(base + ".out", 0o600)
        replies = os.open(base + ".out", os.O_RDONLY | flags)
        requests = os.open(base + ".in", os.O_RDWR | flags)
    except OSError as error:
        _remove_pipes(base)
        raise _shut(f"no session can be opened in {where.sessions}", error) from None
    if _is_answered(door, b'\n{"session":"' + name.encode() + b'"}\n', replies, until):
        return Session(requests, replies)
    os.close(replies)
    os.close(requests)
    _remove_pipes(base)
    return None


def _remove_pipes(base: str) -> None:
    for path in (base + ".in", base + ".out"):
        if os.path.exists(path):
            os.unlink(path)


def _is_answered(door: int, record: bytes, replies: int, until: float) -> bool:
    """Say the record once the door takes it, and wait for a word; not, when nobody is left who reads the door."""
    poll = select.poll()
    poll.register(replies, select.POLLIN)
    poll.register(door, select.POLLOUT)
    while True:
        ready = dict(poll.poll(max(0.0, until - time.monotonic()) * 1000))
        if not ready or replies in ready or ready[door] & select.POLLERR:
            return bool(ready.get(replies, 0) & select.POLLIN)
        try:
            os.write(door, record)
            poll.modify(door, 0)  # from now on only its last reader's end is told
        except (BlockingIOError, BrokenPipeError):
            continue  # others were quicker; or the next poll tells


def _stopped(where: Places, start: str) -> Any:
    if start != "-":
        raise Refusal("stopped", f"the manager of {where.door} was stopped on purpose", "start it again first")
    return _records(where)


def _records(where: Places) -> Any:
    """The queue's records, for reading, when it has no manager."""
    if not os.path.isdir(where.root):
        raise Refusal("no_manager", f"project_root {where.root} is no folder on this machine", f"mkdir -p {where.root}")
    if not os.path.exists(where.database):
        if os.path.lexists(where.door):
            raise Refusal("no_manager", f"nobody reads {where.door}", "start it")
        raise Refusal("no_queue", f"no manager at {where.door}, and there never was one", "start it")
    from sjs.daemon.asking.offline import Records
    from sjs.errors import SjsError

    try:
        return Records(where)
    except SjsError as error:
        raise Refusal(error.code, error.message, error.hint) from None
    except OSError as error:
        raise Refusal("unreachable", f"the records in {where.state} cannot be read: {error}") from None


def _make_root(root: str) -> None:
    """Who says `start` means this folder, even if it is not there yet."""
    try:
        os.makedirs(root, 0o700, exist_ok=True)
    except FileExistsError:
        return  # it is no folder, which is said later
    except OSError as error:
        raise Refusal("refused", f"project_root {root} can not be made: {error.strerror}", f"mkdir -p {root}") from None


def _start(where: Places, start: str, kind: Optional[str]) -> None:
    from sjs.daemon.ground import launch

    if not os.path.isdir(where.root):
        raise Refusal("no_manager", f"project_root {where.root} is no folder on this machine", f"mkdir -p {where.root}")
    maximum = start.partition("=")[2] or "-"
    try:
        outcome, detail = launch.start(where, maximum, kind)
    except OSError as error:
        raise Refusal("no_manager", f"cannot start a manager in {where.root}: {error}") from None
    if outcome == "failed":
        raise Refusal("no_manager", f"the manager of {where.door} did not start: {detail}")
