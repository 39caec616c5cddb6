"""The command that a person types, as long as another process can carry it out that has loaded everything before. This
one hands over what it has been given, passes on the signals that it gets, and ends as the command did."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself costs as much as all of this
import _socket
import errno
import fcntl
import os
import sys

from sjs.link import frames, place

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from typing import Any

WITHOUT = "--no-link"
ALONE = ("gateway", "token", "worker")
"""First words that are programs of their own: they stay longer than a command, or are typed once in a while."""
BACKLOG = 128
LOST = 255
PASSED_ON = (
    *(_signal.SIGINT, _signal.SIGTERM, _signal.SIGQUIT, _signal.SIGHUP, _signal.SIGUSR1, _signal.SIGUSR2),
    *(_signal.SIGWINCH, _signal.SIGTSTP, _signal.SIGCONT),
)


def handed_over(path: str, prog: str, args: list[str], start: bool = True) -> int | None:
    """Have the command carried out; its exit status, or None when nobody has taken it. `start`: a process that does,
    if there is none yet."""
    caller = _Caller(prog)
    try:
        try:
            sock = _connected(path, start)
        except OSError:  # no socket, lock or process can be made, of which the command itself has no need
            sock = None
        if sock is None:
            return None
        caller.listen(sock)
        caller.hand_over(args)
        return caller.status()
    finally:
        caller.close()


class _Caller:
    """This process, while another one does its work."""

    def __init__(self, prog: str) -> None:
        self._prog = prog
        self._sock: Any = None
        self._opened: list[int] = []
        self._closed = [fd for fd in range(3) if not _is_open(fd)]
        for _ in self._closed:  # else what is opened next would take their places
            self._opened.append(os.open(os.devnull, os.O_RDWR))
        self._ignored = [one for one in PASSED_ON if _signal.getsignal(one) == _signal.SIG_IGN]

    def listen(self, sock: Any) -> None:
        """Pass on signals from here on."""
        self._sock = sock
        for number in PASSED_ON:
            if number not in self._ignored:
                _signal.signal(number, self._pass_on)

    def hand_over(self, args: list[str]) -> None:
        """Send the command, and what goes with it."""
        fds = {name: fd for name, fd in self._descriptors().items() if fd is not None}
        umask = os.umask(0o077)
        os.umask(umask)
        data = frames.request(
            {
                "prog": self._prog,
                "args": [os.fsencode(one) for one in args],
                "environ": dict(os.environb),
                "umask": umask,
                "ignored": [int(one) for one in self._ignored],
                "fds": list(fds),
            }
        )
        packed = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds.values())
        try:
            sent = self._sock.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
            self._sock.sendall(data[sent:])
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            return  # which the answer will tell

    def status(self) -> int | None:
        """The exit status of the command, once it has ended; None when it never began."""
        begun = False
        while True:
            kind, number = self._answer()
            if kind == frames.ENDED:
                return self._ended(number)
            if kind == frames.STOPPED:
                self._stop()
            elif kind == frames.TAKEN:
                begun = True
            elif begun:
                sys.stderr.write(
                    f"{self._prog}: the process that carried this out was killed; what became of it, `list` tells"
                    f" ({WITHOUT} does without)\n"
                )
                return LOST
            else:
                return None

    def close(self) -> None:
        """Be as before."""
        for number in PASSED_ON if self._sock else ():
            if number not in self._ignored:
                _signal.signal(number, _signal.SIG_DFL)
        if self._sock is not None:
            self._sock.close()
        for fd in self._opened:
            os.close(fd)

    def _descriptors(self) -> dict[str, int | None]:
        """What the command inherits from us, by name."""
        streams = {str(fd): fd for fd in range(3) if fd not in self._closed}
        folder = self._opens(".", os.O_PATH)
        return {**streams, "cwd": folder, "tty": self._opens("/dev/tty", os.O_RDWR | os.O_NOCTTY)}

    def _opens(self, path: str, flags: int) -> int | None:
        try:
            fd = os.open(path, flags | os.O_CLOEXEC)
        except OSError:  # there is none: the folder is gone, or nobody sits at a terminal
            return None
        self._opened.append(fd)
        return fd

    def _answer(self) -> tuple[bytes, int]:
        data = b""
        while len(data) < frames.ANSWER:
            try:
                came = self._sock.recv(frames.ANSWER - len(data))
            except ConnectionResetError:
                came = b""
            if not came:
                return b"", 0
            data += came
        return data[:1], int.from_bytes(data[1:], "big")

    def _pass_on(self, number: int, frame: object) -> None:
        try:
            self._sock.send(bytes([number]))
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):  # it has ended, which the answer tells
                raise

    def _stop(self) -> None:
        """Stop as the command has stopped, until whoever started us lets us go on, and it with us."""
        _signal.signal(_signal.SIGTSTP, _signal.SIG_DFL)
        os.kill(os.getpid(), _signal.SIGTSTP)
        _signal.signal(_signal.SIGTSTP, self._pass_on)

    def _ended(self, status: int) -> int:
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number not in (_signal.SIGKILL, _signal.SIGSTOP):
                _signal.signal(number, _signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return os.WEXITSTATUS(status)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _connected(path: str, start: bool) -> Any:
    """A connection to the warm process; None where there is none of ours."""
    sock = _connect(path) or (_connect_to_new(path) if start else None)
    if sock is None:
        return None
    told = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    if int.from_bytes(told[4:8], sys.byteorder) == os.geteuid():
        return sock
    sock.close()
    return None


def _connect(path: str) -> Any:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        sock.connect(path)
    except OSError:  # nobody listens there
        sock.close()
        return None
    return sock


def _connect_to_new(path: str) -> Any:
    """Start one, if nobody else has done so meanwhile. It is given a socket that listens already, so nobody waits."""
    lock = os.open(os.path.dirname(path) + "/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sock = _connect(path)
        if sock is None:
            _start(_listener(path))
            sock = _connect(path)
    finally:
        os.close(lock)
    return sock


def _listener(path: str) -> Any:
    if os.path.lexists(path):
        os.unlink(path)
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    umask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(umask)
    listener.listen(BACKLOG)
    return listener


def _start(listener: Any) -> None:
    """Become, in a child, the process that listens there. Its own child: so nobody here has to wait for its end."""
    program = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/warm/process.py"
    flags = ["-I"] if sys.flags.isolated else []
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        listener.close()
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _become(program, flags, listener.fileno())
    finally:
        os._exit(1)


def _become(program: str, flags: list[str], listener: int) -> None:
    """Run the program, with its socket as descriptor 3, and with nothing of the command that happened to be first."""
    if listener == 3:
        os.set_inheritable(3, True)
    else:
        os.dup2(listener, 3)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(nothing, fd)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 3 and _is_open(fd):  # the folder itself was one
            os.set_inheritable(fd, False)
    os.chdir("/")
    kept = (*place.VARIABLES, "HOME", "PATH", "XDG_RUNTIME_DIR")
    environ = {name: value for name, value in os.environ.items() if name in kept or name.startswith("PYTHON")}
    os.execve(sys.executable, [sys.executable, *flags, "-S", program, *sys.path], environ)
