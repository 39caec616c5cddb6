"""A socket to an ssh server, with an end to every wait, and no more handshakes at once than a server stands."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from sjs.errors import LinkLost, NotReached, Unreachable
from sjs.transport import passwords
from sjs.transport.way import Hop

AT_ONCE = 8
"""Handshakes at one server. Its MaxStartups begins to refuse at the tenth."""

QUEUEING = 120.0
"""Seconds for one's turn to shake hands."""

DEAD = 15.0
"""Seconds after which a silent peer counts as dead."""

FAREWELL = 2.0
"""Seconds that a ProxyCommand has to end itself."""

MAX_GREETING = 8192

_gates: dict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(AT_ONCE))
_gates_lock = threading.Lock()


@contextlib.contextmanager
def turn(endpoint: str) -> Iterator[None]:
    """One's turn to shake hands with the server that is met first; all behind a jump host wait at its gate."""
    with _gates_lock:
        gate = _gates[endpoint]
    if not gate.acquire(timeout=QUEUEING):
        raise NotReached(f"no turn to connect to {endpoint} within {QUEUEING:.0f} seconds")
    try:
        yield
    finally:
        gate.release()


def dial(hop: Hop, deadline: float) -> socket.socket:
    """A connection at whose other end an ssh server has spoken. Who hangs up at once may be overrun, so it is tried
    again, each time at a time of its own."""
    for pause in (0.2, 0.4, 0.8, *[1.6] * 1000):
        sock = _through_command(hop) if hop.proxy_command else _connect(hop, deadline)
        try:
            problem = _greeting_problem(sock, hop, deadline)
        except BaseException:
            sock.close()
            raise
        if not problem:
            return sock
        sock.close()
        pause *= random.uniform(0.5, 1.5)
        if hop.proxy_command or time.monotonic() + pause > deadline:
            break
        time.sleep(pause)
    hint = "too many connections at once? its MaxStartups or PerSourcePenalties would do that"
    raise NotReached(problem, "" if hop.proxy_command else hint)


class CommandSocket(socket.socket):
    """Our end of a ProxyCommand, which ends with it."""

    process: subprocess.Popen[bytes]
    complaints: Any

    def close(self) -> None:
        super().close()
        self.process.terminate()
        try:
            self.process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.complaints.close()

    def complaint(self) -> str:
        """The last line that the command wrote on stderr."""
        self.complaints.seek(0)
        lines = self.complaints.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""


def _through_command(hop: Hop) -> CommandSocket:
    import tempfile

    ours, theirs = socket.socketpair()
    sock = CommandSocket(fileno=ours.detach())
    sock.complaints = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the socket)
    end = theirs.fileno()
    environ = {name: value for name, value in os.environ.items() if name != passwords.VARIABLE}
    sock.process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {hop.proxy_command}"], stdin=end, stdout=end, stderr=sock.complaints, env=environ
    )
    theirs.close()
    return sock


def _connect(hop: Hop, deadline: float) -> socket.socket:
    """To the first address that answers; one that does not leaves half of the time to the others."""
    found = _addresses(hop, deadline)
    problem = ""
    kind: type[Unreachable] = NotReached
    for number, entry in enumerate(found, 1):
        left = max(0.001, deadline - time.monotonic())
        try:
            return _attempt(entry, left if number == len(found) else left / 2)
        except TimeoutError:
            problem, kind = f"no answer from {hop.endpoint}{_at(hop, entry)}", NotReached
        except OSError as error:
            problem = f"cannot connect to {hop.endpoint}{_at(hop, entry)}: {error.strerror or error}"
            kind = (
                LinkLost if isinstance(error, ConnectionResetError) else NotReached
            )  # it was there, and broke at once
    raise kind(problem, "is it up, and is that its ssh port?")


def _attempt(entry: Any, seconds: float) -> socket.socket:
    family, kind, protocol, _, address = entry
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
        _set_options(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _at(hop: Hop, entry: Any) -> str:
    address = entry[4][0]
    return "" if address == hop.host else f" ({address})"


def _addresses(hop: Hop, deadline: float) -> list[Any]:
    """What the host's name stands for. Asked in a thread, because a resolver takes its own time."""
    found: list[Any] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(hop.host, hop.port, hop.family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if not found:
        raise NotReached(f"no name server says in time where {hop.host} is")
    if isinstance(found[0], Exception):
        is_passing = isinstance(found[0], socket.gaierror) and found[0].errno == socket.EAI_AGAIN
        raise (NotReached if is_passing else Unreachable)(f"no such host: {hop.host}", "is its name right?")
    return list(found[0])


def _set_options(sock: socket.socket) -> None:
    """Small messages leave at once; a peer that is gone is noticed, whether we talk or listen."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DEAD * 1000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(DEAD / 3))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, int(DEAD / 3))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)


def _greeting_problem(sock: socket.socket, hop: Hop, deadline: float) -> str:
    """Wait for "SSH-", and leave it unread. Who hangs up instead has often said why, which paramiko would not tell."""
    seen = b""
    while b"SSH-" not in seen:
        if len(seen) >= MAX_GREETING:
            raise Unreachable(f"{hop.endpoint} is no ssh server: it says {_quoted(seen)}")
        came = _peek(sock, hop, len(seen), deadline)
        if not came:
            return f"{hop.endpoint} hung up before it greeted{_reason(sock, seen)}"
        seen = came
    return ""


def _reason(sock: socket.socket, seen: bytes) -> str:
    if seen.strip():
        return f"; it said {_quoted(seen)}"
    return sock.complaint() if isinstance(sock, CommandSocket) else ""


def _peek(sock: socket.socket, hop: Hop, known: int, deadline: float) -> bytes:
    """What has come, more than is known already; nothing when no more will."""
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLRDHUP)
    while (left := deadline - time.monotonic()) > 0 and (ready := poll.poll(left * 1000)):
        try:
            came = sock.recv(MAX_GREETING, socket.MSG_PEEK)
        except OSError:  # hung up hard
            return b""
        if len(came) > known or not came:
            return came
        if ready[0][1] & select.POLLRDHUP:
            return b""
        time.sleep(0.01)  # it said half a line; nothing tells when the other half has come
    raise NotReached(f"{hop.endpoint} takes connections, but no ssh server greets there")


def _quoted(said: bytes) -> str:
    return repr(said.decode("utf-8", "replace").strip().splitlines()[0][:80])
