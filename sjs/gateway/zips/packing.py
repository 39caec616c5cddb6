"""A folder becomes an archive: its regular files, in one order for one content, as a stream that needs no seeking."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from sjs.gateway.zips import records as zr
from sjs.gateway.zips.limits import PackLimits
from sjs.gateway.zips.refusals import BadZip, shown
from sjs.trees.folder import OPEN_FOLDER, Folder
from sjs.values import dataclass

PIECE = 64 << 10
"""Bytes that are read at once."""

TOLD = 100
"""Files that were left out of which it is said, why."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ROOM = 16 << 20
"""What deflating may add to 4 GiB that cannot be deflated, and some."""
_FIRST_DAY = 0x21
_UNIX = 3


@dataclass(frozen=True)
class Packed:
    """What has been packed. `size`: bytes of all files; `packed`: of the archive; `others`: links, devices and what
    else is no file; `left_out`: how many could not be read, and `why`: of the first of them, path and reason."""

    files: int
    size: int
    packed: int
    others: int
    left_out: int
    why: list[tuple[str, str]]


def pack(folder: str | os.PathLike[str], to: BinaryIO, limits: PackLimits | None = None, level: int = 6) -> Packed:
    """Write an archive of all regular files in a folder. No link is followed; folders are there as the paths of files
    alone, times are not there, and of modes whether the owner may run it. A file is as long as it was when it was
    opened, or shorter; one that has gone meanwhile, or cannot be opened, is left out, and that is told. BadZip for more
    than may be, Refused for what cannot be read, and what `to` raises: then what has been written is worth nothing.
    """
    writer = Writer(to, level)
    with Folder(os.fspath(folder)) as top:
        walk = _Walk(limits or PackLimits())
        for fd, path, found in walk.files(top.fd, b"", 0):
            content = _content(fd, found.st_size, top, shown(path))
            writer.add(path, bool(found.st_mode & stat.S_IXUSR), found.st_size, content)
        writer.close()
    return Packed(writer.count, walk.size, writer.at, walk.others, walk.left_out, walk.why)


class _Walk:
    """Goes through a folder, counts, and opens its files."""

    def __init__(self, limits: PackLimits) -> None:
        self.size = self.others = self.left_out = 0
        self.why: list[tuple[str, str]] = []
        self._limits = limits
        self._seen = 0

    def files(self, above: int, before: bytes, depth: int) -> Iterator[tuple[int, bytes, os.stat_result]]:
        """Each file, open until the next is asked for, with its path."""
        for name in self._names(above):
            fd, path = self._open(above, name, before + name), before + name
            if fd is None:
                continue
            try:
                found = os.fstat(fd)
                if stat.S_ISDIR(found.st_mode):
                    if depth == self._limits.depth:
                        raise BadZip("pack_deep", shown(path))
                    yield from self.files(fd, path + b"/", depth + 1)
                elif stat.S_ISREG(found.st_mode):
                    self._count(found.st_size)
                    yield fd, path, found
                else:
                    self.others += 1
            finally:
                os.close(fd)

    def _names(self, above: int) -> list[bytes]:
        found = []
        with os.scandir(above) as listed:
            for entry in listed:
                self._seen += 1
                if self._seen > self._limits.entries:
                    raise BadZip("pack_entries", f"more than {self._limits.entries:,}")
                found.append(os.fsencode(entry.name))
        return sorted(found)

    def _count(self, size: int) -> None:
        self.size += size
        if self.size > self._limits.expanded:
            raise BadZip("pack_large", f"more than {self._limits.expanded:,} bytes")

    def _open(self, above: int, name: bytes, path: bytes) -> int | None:
        try:
            kind = stat.S_IFMT(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
            if kind in (stat.S_IFDIR, stat.S_IFREG):  # to open a device may do something
                return os.open(name, OPEN_FOLDER if kind == stat.S_IFDIR else _READ, dir_fd=above)
            self.others += 1
        except OSError as error:
            self.left_out += 1
            if self.left_out <= TOLD:
                self.why.append((shown(path), error.strerror or str(error)))
        return None


def _content(fd: int, size: int, top: Folder, path: str) -> Iterator[bytes]:
    while size > 0:
        with top.told(path):
            piece = os.read(fd, min(PIECE, size))
        if not piece:
            return
        size -= len(piece)
        yield piece


class Writer:
    """Writes an archive from its begin to its end. `big`, `many`: from where on a number is written in 64 bits."""

    def __init__(self, to: BinaryIO, level: int = 6, big: int = zr.BIG, many: int = zr.MANY) -> None:
        self.at = 0
        self.count = 0
        self._to = to
        self._level = level
        self._big = big
        self._many = many
        self._directory = bytearray()

    def add(self, path: bytes, may_run: bool, size: int, content: Iterator[bytes]) -> None:
        """One more file. `size`: how long it is at most."""
        offset, is_big = self.at, size + _ROOM >= self._big
        need = 45 if is_big else 20
        flags = zr.HAS_DESCRIPTOR | (zr.IS_UTF8 if _is_utf8(path) else 0)
        extra = struct.pack("<HHQQ", zr.IN_64, 16, 0, 0) if is_big else b""
        sizes = (zr.BIG, zr.BIG) if is_big else (0, 0)
        lengths = len(path), len(extra)
        head = zr.HEADER.pack(zr.HEADER_MARK, need, flags, zr.DEFLATED, 0, _FIRST_DAY, 0, *sizes, *lengths)
        self._write(head + path + extra)
        crc, packed, size = self._deflate(content)
        self._write(zr.DESCRIPTOR_MARK + struct.pack("<IQQ" if is_big else "<III", crc, packed, size))
        large = [number for number in (size, packed, offset) if number >= self._big]
        extra = struct.pack(f"<HH{len(large)}Q", zr.IN_64, 8 * len(large), *large) if large else b""
        need = 45 if is_big or large else 20
        short = [zr.BIG if number >= self._big else number for number in (packed, size, offset)]
        mode = (stat.S_IFREG | (0o755 if may_run else 0o644)) << 16
        self._directory += zr.ENTRY.pack(
            *(zr.ENTRY_MARK, need, _UNIX, need, flags, zr.DEFLATED, 0, _FIRST_DAY, crc, short[0], short[1]),
            *(len(path), len(extra), 0, 0, 0, mode, short[2]),
        )
        self._directory += path + extra
        self.count += 1

    def close(self) -> None:
        """Nothing more comes."""
        start, size, count = self.at, len(self._directory), self.count
        self._write(self._directory)
        if start >= self._big or size >= self._big or count >= self._many:
            place = self.at
            self._write(zr.END64.pack(zr.END64_MARK, zr.END64.size - 12, 45, 45, 0, 0, count, count, size, start))
            self._write(zr.LOCATOR.pack(zr.LOCATOR_MARK, 0, place, 1))
        start, size = (zr.BIG if number >= self._big else number for number in (start, size))
        count = zr.MANY if count >= self._many else count
        self._write(zr.END.pack(zr.END_MARK, 0, 0, count, count, size, start, 0))

    def _deflate(self, content: Iterator[bytes]) -> tuple[int, int, int]:
        deflater = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS)
        crc = size = 0
        start = self.at
        for piece in content:
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            self._write(deflater.compress(piece))
        self._write(deflater.flush())
        return crc, self.at - start, size

    def _write(self, data: bytes | bytearray) -> None:
        self.at += len(data)
        view = memoryview(data)
        while view:
            view = view[self._to.write(view) :]


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return not path.isascii()
