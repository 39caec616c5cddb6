"""A folder in which trees of files are kept by their contents.

<ab>/tree-<digest>, <ab>/file-<digest>      an object: a folder's list of what is in it, or what is in a file
whole/<digest>                              the tree of this folder is here with all below it, durably
new/                                        what is being written
lock                                        held, for a moment, by who counts on objects, and by who removes them

An object is written beside its place, gets its name once its digest is known to be right, and never changes. One that
is counted on is touched, and what was touched within a DAY is not removed: so nothing goes while a client still brings
what is lacking beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import IO, Callable, Iterable, Iterator, List, Optional, Set

from sjs.errors import BadRequest, Refused
from sjs.snapshots import tree
from sjs.snapshots.tree import FILE_OBJECT, TREE_OBJECT, Entry

DAY = 86_400.0
"""Seconds for which what was touched is let be."""

PIECE = 1 << 20


class Store:
    """Making one touches nothing."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._whole = os.path.join(folder, "whole")
        self._new = os.path.join(folder, "new")

    def make(self) -> None:
        """Make its folders, for nobody else."""
        for path in (self.folder, self._whole, self._new):
            os.makedirs(path, mode=0o700, exist_ok=True)

    def path(self, name: str) -> str:
        """Where an object is, or would be."""
        if not tree.OBJECT.fullmatch(name):
            raise BadRequest(f"no object of a snapshot: {name!r:.80}")
        return os.path.join(self.folder, name[5:7], name)

    # Objects

    def add(self, kind: str, data: bytes) -> str:
        """Keep this; its digest."""
        digest = tree.digest_of(data)
        if not os.path.exists(self.path(kind + digest)):
            with self._writing() as fresh:
                fresh.write(data)
                self._place(fresh, kind + digest)
        return digest

    def copy(self, source: IO[bytes]) -> str:
        """Keep what is read from there; the digest of just that, whatever somebody writes there meanwhile."""
        first = source.read(PIECE)
        if len(first) < PIECE:
            return self.add(FILE_OBJECT, first)
        found = tree.new_digest()
        with self._writing() as fresh:
            for data in _pieces(source, first):
                found.update(data)
                fresh.write(data)
            self._place(fresh, FILE_OBJECT + found.hexdigest())
        return str(found.hexdigest())

    def take_piece(self, name: str, offset: int, data: bytes, size: int) -> None:
        """Keep an object that comes in pieces, one after the other, to one process. Its last one decides."""
        if offset == 0 and len(data) == size:
            if tree.digest_of(data) != name[5:]:
                raise _wrong(name)
            self.add(name[:5], data)
            return
        self.path(name)
        part = os.path.join(self._new, f"{os.getpid()}-{name}")
        try:
            with open(part, "r+b" if offset else "wb") as target:
                target.seek(offset)
                target.truncate()
                target.write(data)
            if offset + len(data) == size:
                self._finish_piecewise(part, name)
        except (OSError, Refused):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
            raise

    def _finish_piecewise(self, part: str, name: str) -> None:
        with open(part, "rb") as source:
            digest = _digest_of_all(source)
        if digest != name[5:]:
            raise _wrong(name)
        os.makedirs(os.path.dirname(self.path(name)), mode=0o700, exist_ok=True)
        os.rename(part, self.path(name))

    def entries(self, digest: str) -> List[Entry]:
        """What is in a folder; Refused where that is lost, or is not what it was."""
        path = self.path(TREE_OBJECT + digest)
        with open(path, "rb") as source:
            data = source.read()
        if tree.digest_of(data) != digest:
            raise Refused(f"{path} is damaged", f"rm {path}")
        return tree.from_bytes(data)

    def missing(self, names: Iterable[str]) -> List[str]:
        """Of these, and of all below them, what is not here. What is, stays for a DAY."""
        found: List[str] = []
        seen: Set[str] = set()
        todo = list(names)
        with self._locked(fcntl.LOCK_SH):
            while todo:
                name = todo.pop()
                if name in seen:
                    continue
                seen.add(name)
                below = self._touched(name)
                if below is None:
                    found.append(name)
                else:
                    todo += below
        return found

    def _touched(self, name: str) -> Optional[List[str]]:
        """What is directly below an object that is here, from now on for a DAY."""
        path = self.path(name)
        try:
            os.utime(path)
            return [one.object for one in self.entries(name[5:])] if name.startswith(TREE_OBJECT) else []
        except FileNotFoundError:
            return None
        except (BadRequest, Refused):
            os.unlink(path)  # a disk has made something else of it
            return None

    # Whole trees

    def seal(self, digest: str) -> List[str]:
        """Say that a tree is here as a whole, and durably; or what of it is not."""
        missing = self.missing([TREE_OBJECT + digest])
        if not missing:
            _sync_file_system(self.folder)
            with open(os.path.join(self._whole, digest), "wb"):
                os.utime(os.path.join(self._whole, digest))
            _sync_folder(self._whole)
        return missing

    def is_whole(self, digest: str) -> bool:
        """Whether a tree is here as a whole."""
        return os.path.exists(os.path.join(self._whole, digest))

    def use(self, digest: str, at: Optional[float] = None) -> bool:
        """The same, and if so it counts as used now, or then."""
        try:
            os.utime(os.path.join(self._whole, digest), None if at is None else (at, at))
        except FileNotFoundError:
            return False
        return True

    def age(self, digest: str, now: float) -> float:
        """The seconds since a whole tree was used."""
        try:
            return now - os.stat(os.path.join(self._whole, digest)).st_mtime
        except FileNotFoundError:
            return now

    # What nobody wants

    def sweep(self, is_wanted: Callable[[str], bool], now: float) -> Iterator[bool]:
        """Remove what is in no wanted tree, step by step; each says whether something was left for its being too new.

        Where `is_wanted` changes between two steps, it is asked of a tree in the step that removes its name: whoever
        comes to want one later finds it gone as a whole, or still there.
        """
        for digest in _names_in(self._whole):
            if not is_wanted(digest):
                yield not self._remove_if_old(os.path.join(self._whole, digest), now)
        kept: Set[str] = set()
        for digest in _names_in(self._whole):
            todo = [TREE_OBJECT + digest]
            while todo:
                name = todo.pop()
                if name not in kept:
                    kept.add(name)
                    if name.startswith(TREE_OBJECT):
                        todo += self._below(name)
                        yield False
        for folder in _names_in(self.folder):
            if folder not in ("whole", "lock"):
                for name in _names_in(os.path.join(self.folder, folder)):
                    if name not in kept:
                        yield not self._remove_if_old(os.path.join(self.folder, folder, name), now)
                yield False

    def _below(self, name: str) -> List[str]:
        try:
            return [one.object for one in self.entries(name[5:])]
        except (OSError, BadRequest, Refused):
            return []  # the disk has lost it: whoever needs it says so

    def _remove_if_old(self, path: str, now: float) -> bool:
        """Whether it is gone. Who counts on it at this moment keeps it from that."""
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                if now - os.lstat(path).st_mtime < DAY:
                    return False
                os.unlink(path)
        except BlockingIOError:
            return False
        except FileNotFoundError:
            return True
        return True

    # Files

    @contextlib.contextmanager
    def _writing(self) -> Iterator[IO[bytes]]:
        import tempfile

        with tempfile.NamedTemporaryFile(dir=self._new, delete=False) as fresh:
            try:
                yield fresh
            except BaseException:
                os.unlink(fresh.name)
                raise

    def _place(self, fresh: IO[bytes], name: str) -> None:
        fresh.flush()
        place = self.path(name)
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
        os.rename(fresh.name, place)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fd = os.open(os.path.join(self.folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, how)
            yield
        finally:
            os.close(fd)


def _pieces(source: IO[bytes], first: bytes) -> Iterator[bytes]:
    while first:
        yield first
        first = source.read(PIECE)


def _digest_of_all(source: IO[bytes]) -> str:
    found = tree.new_digest()
    for data in _pieces(source, source.read(PIECE)):
        found.update(data)
    return str(found.hexdigest())


def _wrong(name: str) -> Refused:
    return Refused(f"what came as {name:.17}… is something else", "hand in again")


def _names_in(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _sync_file_system(folder: str) -> None:
    """One wait for the disk instead of one for each object."""
    import ctypes

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), folder)
    finally:
        os.close(fd)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
