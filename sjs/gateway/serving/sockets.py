"""Sockets that listen: made where the settings say, or inherited of who started us."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sjs.errors import UsageError
from sjs.gateway.identity.startup import Listener
from sjs.values import replace

BACKLOG = 1024
FIRST_INHERITED = 3

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Of a name that has addresses of both kinds, where the machine has only one of them."""


@contextmanager
def listening(listener: Listener) -> Iterator[Sequence[socket.socket]]:
    """It listens; of a name that has several addresses, at each of them. UsageError where it cannot."""
    if listener.socket:
        with _at_path(listener) as one:
            yield [one]
        return
    opened: list[socket.socket] = []
    try:
        missing: OSError | None = None
        for family, address in _addresses(listener):
            try:
                opened.append(socket.create_server(address, family=family, backlog=BACKLOG))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise _refused(listener, error) from None
                missing = error
        if missing is not None and not opened:
            raise _refused(listener, missing)
        for one in opened:
            one.setblocking(False)
        yield opened
    finally:
        for one in opened:
            one.close()


def _addresses(listener: Listener) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(
            listener.host or None, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise _cannot(listener, error.strerror or "no such host") from None
    told = [(int(family), (str(address[0]), int(address[1]))) for family, _, _, _, address in found]
    return list(dict.fromkeys(told))


def _refused(listener: Listener, error: OSError) -> UsageError:
    hint = "stop what listens there, or choose another --listen" if error.errno == errno.EADDRINUSE else ""
    return _cannot(listener, _why(error), hint)


@contextmanager
def _at_path(listener: Listener) -> Iterator[socket.socket]:
    """A socket for this user alone. It gets its name when it listens, so that nobody finds one that does not; what a
    killed process has left there is replaced, and what somebody listens at is not."""
    path = listener.socket
    new = f"{path}.{os.getpid()}"
    try:
        _check_place(listener)
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            mask = os.umask(0o177)
            try:
                one.bind(new)
            finally:
                os.umask(mask)
            mine = os.lstat(new)
            one.listen(BACKLOG)
            one.setblocking(False)
            os.rename(new, path)
        except BaseException:
            one.close()
            if os.path.lexists(new):
                os.unlink(new)
            raise
    except OSError as error:
        raise _cannot(listener, _why(error)) from None
    try:
        yield one
    finally:
        one.close()
        if _is_same(path, mine):
            os.unlink(path)


def _check_place(listener: Listener) -> None:
    path = listener.socket
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    folder = os.stat(os.path.dirname(path))
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        raise _cannot(listener, "others could put a socket of theirs there", f"chmod go-w {os.path.dirname(path)}")
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise _cannot(listener, "there is something else, which is no socket")
    if _is_heard(path):
        raise _cannot(listener, "somebody listens there", "stop that one, or choose another --listen")


def _is_heard(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.setblocking(False)
        try:
            one.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # so many wait there that there is no room for one more
            return True
    return True


def _is_same(path: str, mine: os.stat_result) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)


def inherited(environ: Mapping[str, str]) -> list[tuple[str, socket.socket]]:
    """What systemd listens at for us, by the names that it has for them."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    found = []
    for number in range(count):
        one = socket.socket(fileno=FIRST_INHERITED + number)
        os.set_inheritable(one.fileno(), False)
        one.setblocking(False)
        found.append((names[number] if number < len(names) else "", one))
    return found


def seen(listener: Listener, one: socket.socket) -> Listener:
    """The listener that a socket in its place is."""
    address = one.getsockname()
    if one.family == socket.AF_UNIX:
        return replace(listener, host="", port=0, socket=str(address), certificate="", key="")
    return replace(listener, host=str(address[0]), port=int(address[1]), socket="")


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _cannot(listener: Listener, why: str, hint: str = "") -> UsageError:
    return UsageError(f"cannot listen at {listener.place}: {why}", hint)
