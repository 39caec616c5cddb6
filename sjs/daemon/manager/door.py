"""In the manager: the named pipe that everybody knocks at, and what happens to its name.

The pipe is watched, and not its folder, where much may happen that is nobody's business here. Only while something
that is not mine stands in its place is the folder watched, until that is gone.
"""

from __future__ import annotations

import errno
import os
import stat

from sjs.daemon.ground import kernel, places
from sjs.daemon.ground.notes import note

FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
REMOVED = kernel.IN_ATTRIB | kernel.IN_MOVE_SELF
CLEARED = kernel.IN_DELETE | kernel.IN_MOVED_FROM

TRIES = 10
"""How often it is made in a row, should it be replaced at once."""


class Door:
    """The pipe at a path. `fd` is -1 while there is none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._watch = kernel.Inotify()
        self._watched = -1
        self._complaint = ""
        self.fd = -1

    @property
    def watch_fd(self) -> int:
        """Becomes readable when something may have happened to it."""
        return self._watch.fd

    def open(self) -> None:
        """Make the pipe if it is missing, and open it. My own file in its place is moved aside, any other refused."""
        for _ in range(TRIES):
            self.fd = _make_and_open(self._path)
            self._look_at(f"/proc/self/fd/{self.fd}", REMOVED)  # the name may lead elsewhere by now
            if self.stands():
                return
            self._let_go()
        raise OSError(errno.EBUSY, "is replaced as soon as it is made", self._path)

    def mend(self) -> bool:
        """Something may have happened. Whether there is another pipe now, because the name led to mine no more."""
        if not list(self._watch.read()) or self.stands():
            return False
        if self.fd >= 0:
            note(f"{self._path} was removed or replaced; making it again")
        self._let_go()
        for _ in range(TRIES):
            try:
                self.open()
            except OSError as error:
                self._complain(f"nobody can reach this manager: {error.filename} {error.strerror}")
                self._look_at(os.path.dirname(self._path), CLEARED)
                if os.path.lexists(self._path):
                    return False  # once that goes, we are told
            else:
                self._complaint = ""
                return True
        raise OSError(errno.EBUSY, "cannot be made", self._path)

    def stands(self) -> bool:
        """Whether the path names the pipe that is open."""
        if self.fd < 0:
            return False
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Let go of the pipe, which stays where it is."""
        self._let_go()
        os.close(self._watch.fd)

    def _let_go(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _look_at(self, path: str, mask: int) -> None:
        number = self._watch.watch(path, mask)
        if number != self._watched >= 0:
            self._watch.forget(self._watched)
        self._watched = number

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            note(text)


def _make_and_open(path: str) -> int:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        _make_way(path)
    fd = os.open(path, FLAGS)
    try:
        places.check_pipe(fd, path)
    except OSError:
        os.close(fd)
        raise
    return fd


def _make_way(path: str) -> None:
    """Leave a pipe of mine where it is; move my other things aside. Somebody else's may be the door of a queue."""
    found = os.lstat(path)
    if found.st_uid != os.geteuid():
        why = f"belongs to somebody else (user id {found.st_uid}); remove it, or choose another --pipe-name"
        raise PermissionError(errno.EPERM, why, path)
    if not stat.S_ISFIFO(found.st_mode):
        aside = f"{path}.aside-{os.getpid()}-{found.st_ino}"
        os.rename(path, aside)
        note(f"{path} was not my pipe; it is {aside} now")
    elif found.st_mode & 0o077:
        os.unlink(path)
        note(f"{path} was open to others, who may have it open; it is another pipe now")
    else:
        return
    os.mkfifo(path, 0o600)
