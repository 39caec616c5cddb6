"""The entries of an archive, once all that is said of them is found to agree: each byte of the archive belongs to
exactly one thing. So nothing overlaps (CVE-2024-0450), nothing is hidden, and no program finds other entries in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from sjs.gateway.zips import records as zr
from sjs.gateway.zips.limits import Limits
from sjs.gateway.zips.names import Names, parts_of
from sjs.gateway.zips.records import Entry
from sjs.gateway.zips.refusals import BadZip, shown

_KINDS = {
    stat.S_IFLNK: "zip_link",
    **dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK), "zip_device"),
}
_DOS_FOLDER = 0x10


class Archive:
    """The bytes of an archive."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)

    def read(self, at: int, count: int) -> bytes:
        """So many bytes. BadZip if there are fewer."""
        self.file.seek(at)
        data = self.file.read(count)
        if len(data) < count:
            raise BadZip("zip_truncated")
        return data


def entries(archive: Archive, limits: Limits) -> list[tuple[Entry, int]]:
    """What is in it, in the order in which it lies there, each with the place of its data."""
    if archive.size > limits.compressed:
        raise BadZip("zip_too_large", f"{archive.size:,} bytes, and {limits.compressed:,} may be")
    start, stop, count = _directory(archive)
    if count > limits.entries:
        raise BadZip("zip_entries", f"{count:,} entries, and {limits.entries:,} may be")
    if stop - start > limits.directory:
        raise BadZip("zip_directory_large", f"{stop - start:,} bytes, and {limits.directory:,} may be")
    names = Names(limits)
    found = []
    for entry in _listed(archive.read(start, stop - start), count, limits):
        if entry.parts:
            names.add(entry.parts, entry.is_folder, entry.name)
        found.append(entry)
    found.sort(key=lambda entry: entry.offset)
    _weigh(sum(entry.size for entry in found), archive.size, limits)
    return list(zip(found, _places(archive, found, start), strict=True))


def _weigh(expanded: int, size: int, limits: Limits) -> None:
    if expanded > limits.expanded:
        raise BadZip("zip_expanded", f"{expanded:,} bytes, and {limits.expanded:,} may be")
    if expanded > limits.ratio_from and expanded > size * limits.ratio:
        raise BadZip("zip_ratio", f"{expanded // size} times, and {limits.ratio} may be")


def _end(archive: Archive) -> tuple[int, bytes]:
    """Where the record is with which the archive ends, and that record."""
    start = max(0, archive.size - zr.END.size - zr.MANY)
    tail = archive.read(start, archive.size - start)
    fits: list[int] = []
    behind: list[int] = []
    at = tail.rfind(zr.END_MARK)
    while at >= 0:
        if at + zr.END.size <= len(tail):
            stop = at + zr.END.size + int.from_bytes(tail[at + 20 : at + 22], "little")
            (fits if stop == len(tail) else behind).append(at if stop == len(tail) else stop)
        at = tail.rfind(zr.END_MARK, 0, at + 3)
    if len(fits) == 1:
        return start + fits[0], tail[fits[0] : fits[0] + zr.END.size]
    if fits:
        raise BadZip("zip_two_ends")
    if behind:
        raise BadZip("zip_trailing" if behind[0] < len(tail) else "zip_truncated")
    raise BadZip("zip_truncated" if archive.read(0, min(4, archive.size)) == zr.HEADER_MARK else "zip_none")


def _directory(archive: Archive) -> tuple[int, int, int]:
    """Where the list of entries begins and ends, and how many there are."""
    at, end = _end(archive)
    _, disk, first, here, count, size, offset, _ = zr.END.unpack(end)
    stop = at
    is_64 = at >= zr.LOCATOR.size and archive.read(at - zr.LOCATOR.size, 4) == zr.LOCATOR_MARK
    if is_64:
        stop, large = _end_64(archive, at - zr.LOCATOR.size)
        short = disk, first, here, count, size, offset
        none = (zr.MANY,) * 4 + (zr.BIG,) * 2
        if any(one not in pair for one, *pair in zip(short, none, large, strict=True)):
            raise BadZip("zip_zip64")
        disk, first, here, count, size, offset = large
    elif zr.MANY in (here, count) or zr.BIG in (size, offset):
        raise BadZip("zip_zip64")
    if disk or first or here != count:
        raise BadZip("zip_disks")
    if offset + size < stop:
        raise BadZip("zip_prepended")
    if offset + size > stop:
        raise BadZip("zip_directory")
    return offset, stop, count


def _end_64(archive: Archive, at: int) -> tuple[int, tuple[int, ...]]:
    """Where the record of 64 bits is to which a locator leads, and what it says."""
    _, _, place, disks = zr.LOCATOR.unpack(archive.read(at, zr.LOCATOR.size))
    if disks > 1:
        raise BadZip("zip_disks")
    if place + zr.END64.size != at:
        raise BadZip("zip_zip64")
    mark, length, _, _, *numbers = zr.END64.unpack(archive.read(place, zr.END64.size))
    if mark != zr.END64_MARK or length != zr.END64.size - 12:
        raise BadZip("zip_zip64")
    return place, tuple(numbers)


def _listed(data: bytes, count: int, limits: Limits) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if data[at : at + 4] != zr.ENTRY_MARK or at + zr.ENTRY.size > len(data):
            raise BadZip("zip_directory")
        fields = zr.ENTRY.unpack_from(data, at)
        lengths = fields[11:14]
        at += zr.ENTRY.size
        name, extra = data[at : at + lengths[0]], data[at + lengths[0] : at + sum(lengths[:2])]
        at += sum(lengths)
        if at > len(data):
            raise BadZip("zip_directory")
        yield _entry(fields, name, extra, limits)
    if at != len(data):
        raise BadZip("zip_directory")


def _entry(fields: tuple[int, ...], name: bytes, extra: bytes, limits: Limits) -> Entry:
    _, _, system, _, flags, method, _, _, crc, packed, size, *_, disk, _, outer, offset = fields
    parts, is_folder = parts_of(name, bool(flags & zr.IS_UTF8), system, limits)
    found = zr.extras(extra, name)
    if flags & zr.IS_SEALED or method == 99 or zr.AES in found:
        raise BadZip("zip_encrypted", shown(name))
    if method not in (zr.STORED, zr.DEFLATED):
        raise BadZip("zip_method", f"{shown(name)} (method {method})")
    size, packed, offset = zr.in_64((size, packed, offset), found.get(zr.IN_64), name)
    if disk:
        raise BadZip("zip_disks", shown(name))
    mode = outer >> 16
    _check_kind(mode, outer, is_folder, name)
    if len(found.get(zr.UNIX_LINKS, b"")) > 12 or len(found.get(zr.ASI_UNIX, b"")) > 14:  # where it leads
        raise BadZip("zip_link", shown(name))
    if is_folder and size:
        raise BadZip("zip_folder_data", shown(name))
    return Entry(name, flags, method, crc, packed, size, mode, offset, parts, is_folder)


def _check_kind(mode: int, outer: int, is_folder: bool, name: bytes) -> None:
    kind = stat.S_IFMT(mode)
    if kind in _KINDS:
        raise BadZip(_KINDS[kind], shown(name))
    said = {stat.S_IFDIR: True, stat.S_IFREG: False, 0: bool(outer & _DOS_FOLDER) or is_folder}
    if said.get(kind) is not is_folder:
        raise BadZip("zip_kind", shown(name))
    # folders of shared disks have setgid, which says whose group new files are of; it is not taken over
    if mode & (stat.S_ISUID if is_folder else stat.S_ISUID | stat.S_ISGID):
        raise BadZip("zip_setuid", shown(name))


def _places(archive: Archive, found: list[Entry], stop: int) -> Iterator[int]:
    """Where the data of each are, if each follows the one before it and the list follows the last."""
    starts = [entry.offset for entry in found]
    if starts[:1] > [0] or (not starts and stop):
        raise BadZip("zip_prepended")
    for entry, there in zip(found, [*starts, stop][1:], strict=True):
        data = _behind_header(archive, entry, there)
        rest = there - data - entry.packed
        if rest < 0:
            raise BadZip("zip_overlap", shown(entry.name))
        if not entry.flags & zr.HAS_DESCRIPTOR:
            if rest:
                raise BadZip("zip_gap", shown(entry.name))
        elif rest > 24:
            raise BadZip("zip_gap", shown(entry.name))
        elif archive.read(there - rest, rest) not in zr.descriptors(entry):
            raise BadZip("zip_descriptor", shown(entry.name))
        yield data


def _behind_header(archive: Archive, entry: Entry, there: int) -> int:
    """Where the header of an entry ends, if it says what the list says."""
    if entry.offset + zr.HEADER.size > there:
        raise BadZip("zip_overlap", shown(entry.name))
    fields = zr.HEADER.unpack(archive.read(entry.offset, zr.HEADER.size))
    mark, _, flags, method, _, _, crc, packed, size, named, extended = fields
    if mark != zr.HEADER_MARK:
        raise BadZip("zip_header", shown(entry.name))
    at = entry.offset + zr.HEADER.size
    end: int = at + named + extended
    if end > there:
        raise BadZip("zip_overlap", shown(entry.name))
    name, extra = archive.read(at, named), archive.read(at + named, extended)
    known = zr.IS_SEALED | zr.HAS_DESCRIPTOR
    if (name, method, flags & known) != (entry.name, entry.method, entry.flags & known):
        raise BadZip("zip_header", shown(entry.name))
    said = crc, *zr.in_64((size, packed), zr.extras(extra, name).get(zr.IN_64), name)
    true = entry.crc, entry.size, entry.packed
    if flags & zr.HAS_DESCRIPTOR:  # written before they were known
        said = tuple(two if one == 0 else one for one, two in zip(said, true, strict=True))
    if said != true:
        raise BadZip("zip_header", shown(entry.name))
    return end
