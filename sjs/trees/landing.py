"""Where a tree arrives. A file is written beside its place and takes it once it is whole, with its time and mode; what
has come of a large one is still there for whoever begins again."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from typing import List, Optional, Sequence, Tuple

from sjs.errors import Refused
from sjs.trees.entries import FILE, FOLDER, FRAME, LINK, PART, Entry, Piece, bytes_of, is_same, part_names
from sjs.trees.folder import Folder, look, names_in, whole

LOCKLESS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""How a network disk says that it knows no locks."""

OPEN_PART = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
USABLE = 0o700
"""What the owner may do with each folder: else nothing could be put into it."""

_WHAT = {FOLDER: "a folder", FILE: "a file", LINK: "a link, which is not followed"}


class Landing:
    """A folder into which a tree is put. `dry`: nothing is, but what it would come to is told."""

    def __init__(self, folder: Folder, dry: bool = False) -> None:
        self.folder = folder
        self.dry = dry
        self._parts: Optional[Tuple[Sequence[str], List[bytes]]] = None

    def lay(self, entry: Entry) -> Optional[int]:
        """Make a folder or a link, or have a file's mode right. What it came to: None if it was there already; else 0,
        or the bytes of a file that have come before."""
        with self.folder.told(entry.path):
            try:
                above, name = self.folder.find(entry.path, make=not self.dry)
            except FileNotFoundError:  # there is not even what it is to be in, and nobody wants that to be made
                return 0
            there = self._there(above, name, entry)
            if entry.kind == FOLDER:
                return self._folder(above, name, entry, there)
            return (self._link if entry.kind == LINK else self._file)(above, name, entry, there)

    def put(self, piece: Piece, data: bytes) -> None:
        """Write a piece of a file where it belongs; with the last one the file is there."""
        file = piece.file
        with self.folder.told(file.path):
            above, name = self.folder.find(file.path, make=True)
            _, part = part_names(name, file)
            fd = _open_part(above, part)
            try:
                self._write(fd, piece, data)
                if piece.is_last:
                    os.fchmod(fd, file.mode)
                    os.utime(fd, ns=(file.mtime, file.mtime))
                    os.rename(part, name, src_dir_fd=above, dst_dir_fd=above)
            except OSError:
                if piece.is_first and piece.is_last:  # nobody would go on with it
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(part, dir_fd=above)
                raise
            finally:
                os.close(fd)

    def head(self, file: Entry, offset: int, count: int) -> str:
        """What names some of the bytes that have come of a file."""
        with self.folder.told(file.path):
            above, name = self.folder.find(file.path)
            fd = os.open(part_names(name, file)[1], OPEN_PART, dir_fd=above)
            try:
                return hashlib.sha256(whole(fd, offset, count)).hexdigest()
            finally:
                os.close(fd)

    def _there(self, above: int, name: bytes, entry: Entry) -> Optional[Entry]:
        """What is in its place, if it can be left there or be replaced."""
        try:
            there = look(above, name, entry.path)
        except FileNotFoundError:
            return None
        if there is None or (FOLDER in (entry.kind, there.kind) and entry.kind != there.kind):
            what = _WHAT[there.kind] if there else "something that is no file"
            raise Refused(f"{self.folder.path}/{entry.path}: in its place is {what}", "move that away")
        return there

    def _folder(self, above: int, name: bytes, entry: Entry, there: Optional[Entry]) -> Optional[int]:
        if there is None and not self.dry:
            os.mkdir(name, dir_fd=above)
        mode = entry.mode | USABLE
        if not self.dry and (there is None or there.mode != mode):
            _set_mode(above, name, mode)
        return 0 if there is None else None

    def _link(self, above: int, name: bytes, entry: Entry, there: Optional[Entry]) -> Optional[int]:
        if there is not None and (there.kind, there.leads_to) == (LINK, entry.leads_to):
            return None
        if not self.dry:
            _, new = part_names(name, entry)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new, dir_fd=above)
            os.symlink(bytes_of(entry.leads_to), new, dir_fd=above)
            os.rename(new, name, src_dir_fd=above, dst_dir_fd=above)
        return 0

    def _file(self, above: int, name: bytes, entry: Entry, there: Optional[Entry]) -> Optional[int]:
        if there is not None and is_same(entry, there):
            if there.mode != entry.mode and not self.dry:
                _set_mode(above, name, entry.mode)
            return None
        return self._has_come(above, name, entry) if entry.size > FRAME else 0

    def _has_come(self, above: int, name: bytes, file: Entry) -> int:
        """How much of it is there; parts of other versions go."""
        begin, part = part_names(name, file)
        for old in self._parts_in(above, file.path.split("/")[:-1]):
            if old.startswith(begin) and old != part and not self.dry:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(old, dir_fd=above)
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(part, dir_fd=above, follow_symlinks=False)
            return min(found.st_size, file.size) if _is_ours(found) else 0
        return 0

    def _parts_in(self, above: int, path: Sequence[str]) -> List[bytes]:
        """What was there of files that are not whole, when its folder was first looked at."""
        if self._parts is None or self._parts[0] != path:
            self._parts = path, [name for name in names_in(above) if name.startswith(PART)]
        return self._parts[1]

    def _write(self, fd: int, piece: Piece, data: bytes) -> None:
        """Only behind the bytes before it: where they are gone, somebody else has begun anew. More than those may be
        there, of the same version, from a sender whose link was cut and whose last words come late."""
        size = os.fstat(fd).st_size
        if piece.is_first and size > piece.offset:
            os.ftruncate(fd, piece.offset)
        elif size < piece.offset:
            said = f"{self.folder.path}/{piece.file.path}: somebody else is putting it there, too"
            raise Refused(said, "the same command goes on where it stopped")
        view = memoryview(data)
        offset = piece.offset
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written


def _open_part(above: int, part: bytes) -> int:
    """A file that is not whole yet, locked while one piece is written: of two who send the same version one is refused,
    and no lock outlives a link that hangs."""
    while True:
        fd = os.open(part, OPEN_PART | os.O_CREAT, 0o600, dir_fd=above)
        try:
            _lock(fd)
            ours = os.fstat(fd)
            if not _is_ours(ours):
                os.unlink(part, dir_fd=above)
            elif os.path.samestat(ours, os.stat(part, dir_fd=above, follow_symlinks=False)):
                return fd
        except FileNotFoundError:  # it has been given its name meanwhile
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _set_mode(above: int, name: bytes, mode: int) -> None:
    """Without opening it, which a mode may forbid, and without following a link that has come in its place."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise


def _is_ours(found: os.stat_result) -> bool:
    """Whether writing to it writes nothing else."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid()
