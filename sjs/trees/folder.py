"""A folder and what is below it. Each name on the way is opened by itself and no link is followed, so that whoever
plants one leads nobody out of it."""

from __future__ import annotations

import contextlib
import errno
import os
from types import TracebackType
from typing import Iterator, List, Optional, Sequence, Tuple, Type

from sjs.errors import NoSpace, Refused, SjsError
from sjs.trees.entries import LINK, Entry, entry_of, named, parts, text_of

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FULL = (errno.ENOSPC, errno.EDQUOT)


class Folder:
    """An open folder. `path` is what it is called in what is said of it."""

    def __init__(self, path: str, make: bool = False) -> None:
        self.path = path
        with self.told():
            if make:
                os.makedirs(path, exist_ok=True)
            self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._last: Tuple[Sequence[bytes], int] = ((), self.fd)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: object, at: Optional[TracebackType]) -> None:
        self.close()

    def close(self) -> None:
        """Let it go."""
        self.forget()
        os.close(self.fd)

    def forget(self) -> None:
        """Look for folders below anew: they may be others by now."""
        above, fd = self._last
        self._last = (), self.fd
        if above:
            os.close(fd)

    @contextlib.contextmanager
    def told(self, path: str = "") -> Iterator[None]:
        """Say in a line what the system refuses, and of what."""
        try:
            yield
        except OSError as error:
            raise self.refusal(error, path) from None

    def refusal(self, error: OSError, path: str = "") -> SjsError:
        """The error that says so."""
        where = f"{self.path}/{path}" if path else self.path
        if error.errno in FULL:
            return NoSpace(f"{where}: {error.strerror}", "make room; the same command goes on where it stopped")
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return Refused(f"{where}: on the way is something that is no folder, or a link, and links are not followed")
        return Refused(f"{where}: {error.strerror}")

    def find(self, path: str, make: bool = False) -> Tuple[int, bytes]:
        """The open folder in which a path ends, and the name that it has there. The last one is kept open, because the
        next path ends mostly there, too."""
        *above, name = parts(path)
        if above != self._last[0]:
            self.forget()
            fd = self._descend(above, make)
            self._last = above, fd
        return self._last[1], name

    def look(self, path: str) -> Optional[Entry]:
        """What is there; None if nothing is, or nothing that can be sent."""
        try:
            fd, name = self.find(path)
            return look(fd, name, path)
        except FileNotFoundError:
            return None

    def read(self, path: str, offset: int, count: int) -> Tuple[bytes, Optional[Entry]]:
        """Some bytes of a file, and what it was after they had been read."""
        above, name = self.find(path)
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        try:
            return whole(fd, offset, count), entry_of(path, os.fstat(fd))
        finally:
            os.close(fd)

    def digest(self, path: str, offset: int, count: int) -> str:
        """What names some bytes of a file."""
        return named(self.read(path, offset, count)[0])

    def remove(self, path: str) -> None:
        """Remove what is there, with all that is in it."""
        self.forget()
        _remove(*self.find(path))
        self.forget()

    def _descend(self, names: List[bytes], make: bool) -> int:
        fd = self.fd
        for depth, name in enumerate(names):
            try:
                below = _enter(fd, name, make)
            finally:
                if depth:
                    os.close(fd)
            fd = below
        return fd


def look(fd: int, name: bytes, path: str) -> Optional[Entry]:
    """What a name in a folder is."""
    found = entry_of(path, os.stat(name, dir_fd=fd, follow_symlinks=False))
    if found is not None and found.kind == LINK:
        return found._replace(leads_to=text_of(os.readlink(name, dir_fd=fd)))
    return found


def names_in(fd: int) -> List[bytes]:
    """The names in a folder, in order."""
    return sorted(map(os.fsencode, os.listdir(fd)))


def whole(fd: int, offset: int, count: int) -> bytes:
    """So many bytes, or what there is of them."""
    found = b""
    while len(found) < count:
        data = os.pread(fd, count - len(found), offset + len(found))
        if not data:
            break
        found = found + data if found else data
    return found


def _enter(fd: int, name: bytes, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=fd)
    return os.open(name, OPEN_FOLDER, dir_fd=fd)


def _remove(above: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=above)
        return
    except IsADirectoryError:
        fd = os.open(name, OPEN_FOLDER, dir_fd=above)
    try:
        for one in names_in(fd):
            _remove(fd, one)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=above)
