"""Artifacts in a folder of this machine.

    <ab>/<JOB>/<ATTEMPT>/<UUID>     one artifact; <ab>: two digits of a digest of JOB, so that no folder has too many
    new/<random>                    what is being written; locked by who writes it, so what is not is left over
    lock                            held, for a moment, by who gives an artifact its name, and by who removes folders

An artifact is written beside its place, made durable, and then gets its name under the lock, if nothing has it. Below
the folder no link is followed, and all is for nobody else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator

from sjs.errors import NoSpace, Refused, SjsError
from sjs.gateway.artifacts.store import (
    PIECE,
    Measure,
    Reading,
    Stored,
    checked_key,
    checked_range,
    conflict,
    measured,
    no_artifact,
    past_the_end,
)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NEW = "new"


class FolderStore:
    """Makes its folder, and holds it open until it is closed."""

    def __init__(self, path: str) -> None:
        self.path = path
        with self._told():
            os.makedirs(path, mode=0o700, exist_ok=True)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.check()
            with self._told():
                os.close(_entered(self._fd, _NEW, make=True))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._fd)

    def check(self) -> None:
        with self._told():
            found = os.fstat(self._fd)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise Refused(f"{self.path} is not for the gateway alone", f"chown and chmod 700 {self.path}")

    # Keeping

    def put(self, key: str, pieces: Iterable[bytes], mime: str, limit: int) -> Stored:
        path = _path_of(key)
        measure = Measure(limit)
        with self._writing(key) as (fresh, name, fd):
            for piece in measure.through(pieces):
                with self._told(key):
                    _write(fd, piece)
            with self._told(key):
                os.fsync(fd)
                is_new = self._place(fresh, name, path)
        stored = measure.stored()
        if not is_new and not self._has(key, stored):
            raise conflict(key)
        return stored

    def _has(self, key: str, stored: Stored) -> bool:
        return self.size(key) == stored.size and measured(self.open(key), stored.size) == stored

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[tuple[int, str, int]]:
        """The folder of what is new, a name in it, and the file that has it and is ours."""
        with contextlib.ExitStack() as stack:
            with self._told(key):
                fresh = self._descend([_NEW], stack)[-1]
                name, fd = _own_file(fresh)
            stack.callback(os.close, fd)
            try:
                yield fresh, name, fd
            finally:
                with contextlib.suppress(FileNotFoundError):  # it has its place
                    os.unlink(name, dir_fd=fresh)

    def _place(self, fresh: int, name: str, path: list[str]) -> bool:
        """Give it its name, durably; False where something has that already."""
        with contextlib.ExitStack() as stack:
            with self._locked():
                chain = self._descend(path[:-1], stack, make=True)
                is_new = not _is_there(chain[-1], path[-1])
                if is_new:
                    os.rename(name, path[-1], src_dir_fd=fresh, dst_dir_fd=chain[-1])
            for fd in reversed(chain):
                os.fsync(fd)
        return is_new

    # Reading

    def open(self, key: str, start: int = 0, length: int | None = None) -> Reading:
        checked_range(start, length)
        with self._told(key):
            fd, size = self._opened(key)
        if start > size:
            os.close(fd)
            raise past_the_end(key, start, size)
        end = size if length is None else min(size, start + length)
        return _FileReading(fd, start, end, key)

    def size(self, key: str) -> int:
        with self._told(key):
            fd, size = self._opened(key)
            os.close(fd)
        return size

    def _opened(self, key: str) -> tuple[int, int]:
        *above, name = _path_of(key)
        try:
            with contextlib.ExitStack() as stack:
                fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FILE, dir_fd=self._descend(above, stack)[-1])
        except FileNotFoundError:
            raise no_artifact(key) from None
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise no_artifact(key)
        return fd, found.st_size

    def link(self, key: str, name: str, mime: str, seconds: int, disposition: str | None = None) -> str | None:
        return None

    # Removing

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self._told(key):
                self._remove(_path_of(key), _removed_file)

    def delete_below(self, prefix: str) -> int:
        with self._told(prefix):
            return self._remove(_path_of(prefix), _removed_folder)

    def _remove(self, path: list[str], removed: Callable[[int, str], int]) -> int:
        """Remove what is there, then the folders above that are empty by that; durably. How many files."""
        with contextlib.ExitStack() as stack:
            with self._locked():
                try:
                    chain = self._descend(path[:-1], stack)
                    count = removed(chain[-1], path[-1])
                except FileNotFoundError:
                    return 0
                while len(chain) > 1 and _is_removed_if_empty(chain[-2], path[len(chain) - 2]):
                    chain.pop()
            os.fsync(chain[-1])
        return count

    def tidy(self, now: float) -> int:
        """Whatever nobody writes: no clock says so, but that its lock is free."""
        with self._told(_NEW), contextlib.ExitStack() as stack:
            fresh = self._descend([_NEW], stack)[-1]
            return sum(_is_left_over(fresh, name) for name in os.listdir(fresh))

    # Folders

    def _descend(self, names: list[str], stack: contextlib.ExitStack, make: bool = False) -> list[int]:
        """The folder and those below it by these names, open until the stack ends."""
        chain = [self._fd]
        for name in names:
            chain.append(_entered(chain[-1], name, make))
            stack.callback(os.close, chain[-1])
        return chain

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fd = os.open("lock", os.O_RDWR | os.O_CREAT | _FILE, 0o600, dir_fd=self._fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        """Say in a line what the system refuses, and of what."""
        try:
            yield
        except OSError as error:
            raise _refusal(error, f"{self.path}{': ' if key else ''}{key}") from None


class _FileReading:
    def __init__(self, fd: int, start: int, end: int, key: str) -> None:
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._at = start
        self._end = end
        self._key = key

    def __iter__(self) -> _FileReading:
        return self

    def __next__(self) -> bytes:
        if self._at >= self._end:
            self.close()
            raise StopIteration
        try:
            data = os.pread(self._file.fileno(), min(PIECE, self._end - self._at), self._at)
        except OSError as error:
            raise _refusal(error, self._key) from None
        if not data:
            raise Refused(
                f"artifact {self._key} ends after {self._at} of {self._end} bytes: the disk has lost the rest"
            )
        self._at += len(data)
        return data

    def close(self) -> None:
        self._file.close()


def _path_of(key: str) -> list[str]:
    parts = checked_key(key).split("/")
    return [hashlib.sha256(parts[0].encode()).hexdigest()[:2], *parts]


def _entered(above: int, name: str, make: bool = False) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
    return os.open(name, _FOLDER, dir_fd=above)


def _own_file(fresh: int) -> tuple[str, int]:
    """A file that nobody else writes or takes for left over: whoever had the lock before us may have removed it."""
    while True:
        name = uuid.uuid4().hex
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=fresh)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return name, fd
        os.close(fd)


def _is_left_over(fresh: int, name: str) -> bool:
    """Whether nobody wrote it; then it is gone."""
    try:
        fd = os.open(name, os.O_RDWR | os.O_NONBLOCK | _FILE, dir_fd=fresh)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=fresh)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(fd)
    return True


def _is_there(above: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _removed_file(above: int, name: str) -> int:
    try:
        os.unlink(name, dir_fd=above)
    except IsADirectoryError:  # what is in it has longer keys
        return 0
    return 1


def _removed_folder(above: int, name: str) -> int:
    try:
        fd = _entered(above, name)
    except NotADirectoryError:
        return 0
    try:
        count = sum(_removed_file(fd, one) or _removed_folder(fd, one) for one in os.listdir(fd))
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=above)
    return count


def _is_removed_if_empty(above: int, name: str) -> bool:
    try:
        os.rmdir(name, dir_fd=above)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _write(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _refusal(error: OSError, where: str) -> SjsError:
    if error.errno in _FULL:
        return NoSpace(f"{where}: {error.strerror}", "make room")
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        return Refused(f"{where}: on the way is something that is no folder, or a link, and links are not followed")
    return Refused(f"{where}: {error.strerror}")
