"""An archive becomes files in a folder of ours, or is refused and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from sjs.errors import Refused
from sjs.gateway.zips.directory import Archive, entries
from sjs.gateway.zips.limits import Limits
from sjs.gateway.zips.records import STORED, Entry
from sjs.gateway.zips.refusals import BadZip, shown
from sjs.trees.folder import OPEN_FOLDER, Folder, names_in
from sjs.values import dataclass

PIECE = 64 << 10
"""Bytes that are read, or written, at once."""

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Unpacked:
    """What has been put into the folder. `size`: bytes of all files."""

    files: int
    folders: int
    size: int


def unpack(source: BinaryIO, folder: str | os.PathLike[str], limits: Limits | None = None) -> Unpacked:
    """Put what is in the archive into an empty folder that is ours. BadZip with the reason, NoSpace, or Refused if the
    folder is no such folder; then there is nothing in it that was not there before.

    All that the archive says is checked before the first byte is written. What it says of sizes is what comes out, or
    it is refused with the first byte more. Files are for the owner alone (0600, 0700 if it may be run), as folders.
    """
    path = os.fspath(folder)
    with Folder(path) as top:
        _check_ours(top)
        archive = Archive(source)
        listed = entries(archive, limits or Limits())
        try:
            with contextlib.closing(_Folders(top)) as folders:
                return _put(archive, listed, top, folders)
        except BaseException:
            for name in names_in(top.fd):
                top.remove(os.fsdecode(name))
            raise


def _check_ours(top: Folder) -> None:
    with top.told():
        found = os.fstat(top.fd)
        is_link = not os.path.samestat(found, os.lstat(top.path))
        is_full = bool(os.listdir(top.fd))
    if is_link or is_full or found.st_uid != os.geteuid():
        raise Refused(f"{top.path}: this is no empty folder of ours", "name another one")


def _put(archive: Archive, listed: list[tuple[Entry, int]], top: Folder, folders: _Folders) -> Unpacked:
    files = size = 0
    digest = ""
    for entry, place in sorted(listed, key=lambda one: one[0].parts):  # what is in one folder, after each other
        above = folders.enter(entry.parts if entry.is_folder else entry.parts[:-1])
        is_suspect = entry.size == archive.size  # what is as large as the archive may be the archive
        content = _content(archive, entry, place)
        if entry.is_folder:
            for _ in content:
                pass
            continue
        with contextlib.closing(_File(top, above, entry, is_suspect)) as file:
            for piece in content:
                file.write(piece)
        if is_suspect:
            digest = digest or _digest(archive)
            if file.digest() == digest:
                raise BadZip("zip_quine", shown(entry.name))
        files += 1
        size += entry.size
    return Unpacked(files, folders.made, size)


class _Folders:
    """Makes folders, and has those open in which the last entry lies: mostly the next one lies there, too."""

    def __init__(self, top: Folder) -> None:
        self.made = 0
        self._top = top
        self._names: list[str] = []
        self._open: list[int] = []

    def enter(self, names: list[str]) -> int:
        """The open folder to which they lead."""
        same = 0
        while same < min(len(names), len(self._names)) and names[same] == self._names[same]:
            same += 1
        self._leave(same)
        for name in names[same:]:
            with self._top.told("/".join([*self._names, name])):
                self._open.append(self._below(name))
            self._names.append(name)
        return self._at()

    def close(self) -> None:
        self._leave(0)

    def _at(self) -> int:
        return self._open[-1] if self._open else self._top.fd

    def _below(self, name: str) -> int:
        with contextlib.suppress(FileExistsError):  # by an entry before; nothing else can be opened as a folder
            os.mkdir(name, 0o700, dir_fd=self._at())
            self.made += 1
        return os.open(name, OPEN_FOLDER, dir_fd=self._at())

    def _leave(self, depth: int) -> None:
        del self._names[depth:]
        while len(self._open) > depth:
            os.close(self._open.pop())


class _File:
    """A file that nobody else has made."""

    def __init__(self, top: Folder, above: int, entry: Entry, is_digested: bool) -> None:
        self._top = top
        self._path = shown(entry.name)
        self._hash = sha256() if is_digested else None
        mode = 0o700 if entry.mode & stat.S_IXUSR else 0o600
        with top.told(self._path):
            self._fd = os.open(entry.parts[-1], NEW, mode, dir_fd=above)

    def write(self, piece: bytes) -> None:
        if self._hash is not None:
            self._hash.update(piece)
        view = memoryview(piece)
        with self._top.told(self._path):
            while view:
                view = view[os.write(self._fd, view) :]

    def digest(self) -> str:
        return self._hash.hexdigest() if self._hash is not None else ""

    def close(self) -> None:
        os.close(self._fd)


def _content(archive: Archive, entry: Entry, place: int) -> Iterator[bytes]:
    """What is in an entry, piece by piece, never more than it is said to be."""
    crc = size = 0
    for piece in (_stored if entry.method == STORED else _inflated)(archive, entry, place):
        size += len(piece)
        if size > entry.size:
            raise BadZip("zip_size", shown(entry.name))
        crc = zlib.crc32(piece, crc)
        yield piece
    if size != entry.size:
        raise BadZip("zip_size", shown(entry.name))
    if crc != entry.crc:
        raise BadZip("zip_crc", shown(entry.name))


def _stored(archive: Archive, entry: Entry, place: int) -> Iterator[bytes]:
    stop = place + entry.packed
    return (archive.read(at, min(PIECE, stop - at)) for at in range(place, stop, PIECE))


def _inflated(archive: Archive, entry: Entry, place: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for data in _stored(archive, entry, place):
        while data and not inflater.eof:
            yield from filter(None, [_inflate(inflater, data, entry)])
            data = inflater.unconsumed_tail
        if inflater.unused_data or (data and inflater.eof):
            raise BadZip("zip_data", shown(entry.name))
    while not inflater.eof:
        piece = _inflate(inflater, b"", entry)
        if not piece and not inflater.eof:
            raise BadZip("zip_data", shown(entry.name))
        yield piece


def _inflate(inflater: zlib._Decompress, data: bytes, entry: Entry) -> bytes:
    try:
        return inflater.decompress(data, PIECE)
    except zlib.error:
        raise BadZip("zip_data", shown(entry.name)) from None


def _digest(archive: Archive) -> str:
    found = sha256()
    for at in range(0, archive.size, PIECE):
        found.update(archive.read(at, min(PIECE, archive.size - at)))
    return found.hexdigest()
