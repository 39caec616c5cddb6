"""Archives that mean harm, or are broken, and the code with which each is refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

from sjs.gateway.zips.limits import Limits
from tests.gateway.zips.archives import Item, build, deflated, end_64, in_64, quine

BIG, MANY = 0xFFFFFFFF, 0xFFFF
OTHER = Item(b"other", b"other text")
FAR = {"size": BIG, "packed": BIG, "extra": in_64(4, 2**63)}
SMALL = Limits(entries=3, depth=3, name=8, path=12, directory=400)

Case = tuple[str, Callable[[], bytes], Limits]


def one(**said: object) -> Callable[[], bytes]:
    return lambda: build(Item(**said), OTHER)  # type: ignore[arg-type]


def named(*names: bytes) -> Callable[[], bytes]:
    return lambda: build(*(Item(name, b"" if name.endswith(b"/") else b"text", mode=0) for name in names))


def whole(*items: Item, **end: object) -> Callable[[], bytes]:
    return lambda: build(*items, **end)  # type: ignore[arg-type]


def overlap(count: int) -> bytes:
    """Many entries, one content (CVE-2024-0450)."""
    content = bytes(100_000)
    first = Item(b"0", content, method=8, data=deflated(content))
    others = (Item(b"%d" % at, content, method=8, data=deflated(content), at=0) for at in range(1, count))
    return build(first, *others)


def quoted() -> bytes:
    """An entry whose data begin with the next one's header, as in David Fifield's bombs."""
    inner = Item(b"b", b"x" * 100)
    outer = Item(b"a", inner.header() + inner.packed())
    return build(outer, Item(b"b", b"x" * 100, at=len(outer.header())))


def many(number: int, /, **end: int) -> bytes:
    """Empty files, more than 16 bits can count."""
    header, entry = Item(b"0000", b"").header(), Item(b"0000", b"").entry(0)
    names = [b"%04x" % at for at in range(number)]
    body = b"".join(header[:-4] + name for name in names)
    offsets = (struct.pack("<I", at * len(header)) for at in range(number))
    listed = b"".join(entry[:42] + offset + name for offset, name in zip(offsets, names, strict=True))
    says: dict[str, Any] = {"here": MANY, "count": MANY, "size": len(listed), "offset": len(body), **end}
    between = listed + end_64(number, len(listed), len(body), len(body) + len(listed))
    return build(before=body, between=between, **says)


def with_64(between: Callable[[int, int], bytes]) -> bytes:
    """Two entries, and an end of 64 bits as `between` makes it of size and offset."""
    size, offset = struct.unpack("<II", build(Item(), OTHER)[-10:-2])
    return build(Item(), OTHER, between=between(size, offset))


def lying_64(count: int = 2, size: int = 0, offset: int = 0, place: int = 0, **said: int) -> Callable[[], bytes]:
    return lambda: with_64(lambda s, o: end_64(count, s + size, o + offset, o + s + place, **said))


def stream(descriptor: bytes) -> Callable[[], bytes]:
    unknown = {"crc": 0, "packed": 0, "size": 0}
    return lambda: build(Item(content=b"text", flags=8, local=unknown, behind=descriptor), OTHER)


def fixed_up() -> bytes:
    """What stands before it is reckoned with, as in archives that extract themselves."""
    return build(Item(), OTHER, before=b"#!/bin/sh\n")


def last_data(data: bytes) -> bytes:
    return build(Item(b"a", data, method=8, data=deflated(data)[:-1]))


def bomb(length: int, /, **said: int) -> Callable[[], bytes]:
    """So many zeros."""

    def make() -> bytes:
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        piece = deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_FULL_FLUSH)
        data = piece * (length >> 20) + deflater.flush()
        true = {"packed": len(data), "size": length, **said}
        return build(Item(b"zeros", method=8, data=data, local=true, central=true))

    return make


def extra(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value


USUAL = Limits()
NAMES: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "slip": ("zip_name_escapes", (b"../evil",)),
    "slip within": ("zip_name_escapes", (b"a/../../evil",)),
    "slip, nothing else": ("zip_name_escapes", (b"..",)),
    "slip, a folder": ("zip_name_escapes", (b"../",)),
    "slip at the end": ("zip_name_escapes", (b"a/..",)),
    "slip, far": ("zip_name_escapes", (b"../../../../../../etc/cron.d/evil",)),
    "slip that stays within": ("zip_name_escapes", (b"a/../b",)),
    "slip behind a dot": ("zip_name_escapes", (b"./../evil",)),
    "slip with backslashes": ("zip_name_backslash", (b"..\\evil",)),
    "slip by a drive": ("zip_name_drive", (b"c:../evil",)),
    "absolute": ("zip_name_absolute", (b"/etc/passwd",)),
    "absolute, a share": ("zip_name_absolute", (b"//host/share",)),
    "drive": ("zip_name_drive", (b"C:/windows/x",)),
    "backslash": ("zip_name_backslash", (b"a\\b",)),
    "NUL": ("zip_name_nul", (b"run.sh\0.txt",)),
    "end of line": ("zip_name_control", (b"a\nb",)),
    "terminal": ("zip_name_control", (b"a\x1b[2Jb",)),
    "C1": ("zip_name_control", ("a\x9b2Jb".encode(),)),
    "paragraph": ("zip_name_control", ("a\u2029b".encode(),)),
    "right to left": ("zip_name_direction", ("\u202egpj.sh".encode(),)),
    "isolated": ("zip_name_direction", ("a\u2066b".encode(),)),
    "empty": ("zip_name_empty", (b"",)),
    "empty within": ("zip_name_empty", (b"a//b",)),
    "dot within": ("zip_name_empty", (b"a/./b",)),
    "dot at the end": ("zip_name_empty", (b"run.sh/.",)),
    "a file called dot": ("zip_name_empty", (b".",)),
    "twice": ("zip_duplicate", (b"run.sh", b"run.sh")),
    "twice, by a dot": ("zip_duplicate", (b"run.sh", b"./run.sh")),
    "twice, a folder": ("zip_duplicate", (b"d/", b"d/")),
    "case": ("zip_case", (b"run.sh", b"Run.sh")),
    "case of a folder": ("zip_case", (b"d/a", b"D/b")),
    "case that is none": ("zip_case", ("\N{LATIN SMALL LETTER SHARP S}".encode(), b"SS")),
    "two ways to write a letter": ("zip_case", ("\u00e9".encode(), "e\u0301".encode())),
    "file, then folder": ("zip_file_and_folder", (b"d", b"d/a")),
    "folder, then file": ("zip_file_and_folder", (b"d/a", b"d")),
    "folder that is a file": ("zip_file_and_folder", (b"d/", b"d")),
}

CASES: dict[str, Case] = {
    **{name: (code, named(*names), USUAL) for name, (code, names) in NAMES.items()},
    "no UTF-8": ("zip_name_utf8", one(name=b"\xff", flags=1 << 11), USUAL),
    "link": ("zip_link", one(name=b"l", content=b"/etc/passwd", mode=0o120777), USUAL),
    "link, then through it": ("zip_link", whole(Item(b"l", b"/tmp", mode=0o120777), Item(b"l/x")), USUAL),
    "link, not of Unix": ("zip_link", one(mode=0o120777, central={"system": 0}), USUAL),
    "hard link": ("zip_link", one(central={"extra": extra(0x000D, bytes(12) + b"x")}), USUAL),
    "link of ASi": ("zip_link", one(central={"extra": extra(0x756E, bytes(14) + b"x")}), USUAL),
    "character device": ("zip_device", one(mode=0o020666), USUAL),
    "block device": ("zip_device", one(mode=0o060666), USUAL),
    "pipe": ("zip_device", one(mode=0o010666), USUAL),
    "socket": ("zip_device", one(mode=0o140666), USUAL),
    "setuid": ("zip_setuid", one(mode=0o104755), USUAL),
    "setgid": ("zip_setuid", one(mode=0o102755), USUAL),
    "setuid folder": ("zip_setuid", one(name=b"d/", content=b"", mode=0o044755), USUAL),
    "unheard of": ("zip_kind", one(mode=0o130644), USUAL),
    "folder by mode": ("zip_kind", one(mode=0o040755), USUAL),
    "folder by name": ("zip_kind", one(name=b"d/", content=b""), USUAL),
    "folder of DOS": ("zip_kind", one(central={"outer": 0x10}), USUAL),
    "folder with content": ("zip_folder_data", one(name=b"d/", mode=0o040755), USUAL),
    "encrypted": ("zip_encrypted", one(flags=1), USUAL),
    "strongly encrypted": ("zip_encrypted", one(flags=1 << 6), USUAL),
    "masked": ("zip_encrypted", one(flags=1 << 13), USUAL),
    "AES": ("zip_encrypted", one(method=99), USUAL),
    "AES by its field": ("zip_encrypted", one(central={"extra": extra(0x9901, bytes(7))}), USUAL),
    "shrunk": ("zip_method", one(method=1), USUAL),
    "deflate64": ("zip_method", one(method=9), USUAL),
    "bzip2": ("zip_method", one(method=12), USUAL),
    "lzma": ("zip_method", one(method=14), USUAL),
    "zstd": ("zip_method", one(method=93), USUAL),
    "overlap": ("zip_overlap", lambda: overlap(100), Limits(ratio=10**6)),
    "overlap, quoted": ("zip_overlap", quoted, USUAL),
    "overlap with the list": ("zip_overlap", one(local={"packed": 10**4}, central={"packed": 10**4}), USUAL),
    "overlap by a long name": ("zip_overlap", lambda: _long_header(26, 60_000), USUAL),
    "overlap by a long field": ("zip_overlap", lambda: _long_header(28, 60_000), USUAL),
    "begins before the one before has ended": ("zip_overlap", whole(Item(), Item(b"b", at=34)), USUAL),
    "quine": ("zip_quine", quine, USUAL),
    "65,536 entries": ("zip_entries", lambda: many(65_536), Limits(directory=1 << 30)),
    "65,536 entries, and says one": ("zip_zip64", lambda: many(65_536, here=1, count=1), Limits(directory=1 << 30)),
    "more entries than it says": ("zip_directory", whole(Item(), OTHER, count=1, here=1), USUAL),
    "less entries than it says": ("zip_directory", whole(Item(), OTHER, count=3, here=3), USUAL),
    "entry beyond the list": ("zip_directory", lambda: _entry_beyond(), USUAL),
    "list in the end": ("zip_directory", lambda: build(Item(), size=80), USUAL),
    "bomb, 1028:1": ("zip_ratio", bomb(200 << 20), USUAL),
    "bomb that says it is small": ("zip_size", bomb(64 << 20, size=1000), USUAL),
    "bomb, large": ("zip_expanded", bomb(257 << 20), Limits(ratio=10**6)),
    "bomb by its word": ("zip_expanded", one(local={"size": 2**31}, central={"size": 2**31}), USUAL),
    "bomb of many": ("zip_expanded", lambda: _many_files(40, 1 << 20), Limits(expanded=32 << 20, ratio=10**6)),
    "size too small": ("zip_size", one(local={"size": 2}, central={"size": 2}), USUAL),
    "size too large": ("zip_size", one(local={"size": 9}, central={"size": 9}), USUAL),
    "folder whose data are some": ("zip_size", lambda: _full_folder(), USUAL),
    "no CRC": ("zip_crc", one(local={"crc": 1}, central={"crc": 1}), USUAL),
    "other CRC": ("zip_crc", one(content=b"text", data=b"tixt"), USUAL),
    "deflated, broken": ("zip_data", one(method=8, data=b"\xff\xff\xff"), USUAL),
    "deflated, cut": ("zip_data", lambda: last_data(b"text" * 99), USUAL),
    "deflated, and more behind what is read at once": ("zip_data", lambda: _full_piece(), USUAL),
    "deflated, and more": ("zip_data", one(method=8, data=deflated(b"text") + b"more"), USUAL),
    "header of another name": ("zip_header", one(local={"name": b"b"}), USUAL),
    "header of another size": ("zip_header", one(local={"size": 9}), USUAL),
    "header of another CRC": ("zip_header", one(local={"crc": 9}), USUAL),
    "header of another method": ("zip_header", one(local={"method": 8}), USUAL),
    "header says encrypted": ("zip_header", one(local={"flags": 1}), USUAL),
    "no header": ("zip_header", lambda: b"XX" + build(Item(), OTHER)[2:], USUAL),
    "gap": ("zip_gap", one(behind=b"hidden"), USUAL),
    "gap with a descriptor": ("zip_gap", stream(bytes(25)), USUAL),
    "descriptor that lies": ("zip_descriptor", stream(struct.pack("<III", 1, 4, 4)), USUAL),
    "descriptor, and a header that lies": ("zip_header", one(flags=8, local={"crc": 9}), USUAL),
    "no descriptor": ("zip_descriptor", stream(b""), USUAL),
    "field cut": ("zip_extra", one(central={"extra": b"\1\0"}), USUAL),
    "field too long": ("zip_extra", one(central={"extra": b"\1\0\x20\0abc"}), USUAL),
    "field twice": ("zip_extra", one(central={"extra": extra(7, b"") * 2}), USUAL),
    "64 bits that are not there": ("zip_zip64", one(central={"size": BIG}), USUAL),
    "64 bits, fewer than needed": ("zip_zip64", one(central={"size": BIG, "packed": BIG, "extra": in_64(4)}), USUAL),
    "64 bits that differ": ("zip_zip64", one(central={"extra": in_64(5, 4, 0)}), USUAL),
    "64 bits for nobody": ("zip_zip64", one(central={"extra": in_64(4)}), USUAL),
    "64 bits, huge": ("zip_expanded", one(central={"size": BIG, "extra": in_64(2**63)}), USUAL),
    "64 bits, far": ("zip_overlap", one(local=FAR, central=FAR), USUAL),
    "end of 64 bits that is not there": ("zip_zip64", whole(Item(), offset=BIG), USUAL),
    "end of 64 bits, elsewhere": ("zip_zip64", lying_64(place=-1), USUAL),
    "end of 64 bits, of another count": ("zip_zip64", lying_64(count=3), USUAL),
    "end of 64 bits, of another size": ("zip_zip64", lying_64(size=1), USUAL),
    "end of 64 bits, longer": ("zip_zip64", lying_64(length=45), USUAL),
    "end of 64 bits, by another mark": ("zip_zip64", lambda: lying_64()().replace(b"PK\6\6", b"PK\6\5"), USUAL),
    "end of 64 bits, of two disks": ("zip_disks", lying_64(disks=2), USUAL),
    "disk": ("zip_disks", whole(Item(), disk=1), USUAL),
    "disk on which the list begins": ("zip_disks", whole(Item(), first=1), USUAL),
    "disk of an entry": ("zip_disks", one(central={"disk": 1}), USUAL),
    "fewer entries on this disk": ("zip_disks", whole(Item(), OTHER, here=1), USUAL),
    "trailing": ("zip_trailing", lambda: build(Item()) + b"more", USUAL),
    "two archives": ("zip_prepended", lambda: build(Item()) + build(OTHER), USUAL),
    "prepended": ("zip_prepended", lambda: b"#!/bin/sh\n" + build(Item(), OTHER), USUAL),
    "prepended, a byte": ("zip_prepended", lambda: b"x" + build(Item(), OTHER), USUAL),
    "prepended, reckoned with": ("zip_prepended", fixed_up, USUAL),
    "prepended to nothing": ("zip_prepended", lambda: build(before=b"hidden"), USUAL),
    "two ends": ("zip_two_ends", lambda: build(Item(), comment=build()), USUAL),
    "comment cut": ("zip_truncated", lambda: build(Item(), comment=b"comment")[:-1], USUAL),
    "no end": ("zip_truncated", lambda: build(Item(), OTHER)[:-22], USUAL),
    "nothing": ("zip_none", lambda: b"", USUAL),
    "something": ("zip_none", lambda: b"\x1f\x8b" + bytes(100), USUAL),
    "too large": ("zip_too_large", one(content=bytes(5000)), Limits(compressed=4000)),
    "too many": ("zip_entries", named(b"a", b"b", b"c", b"d"), SMALL),
    "too many folders": ("zip_entries", named(b"a/a/x", b"b/b/x"), SMALL),
    "too deep": ("zip_name_deep", named(b"a/a/a/a"), SMALL),
    "too long": ("zip_name_long", named(b"a" * 9), SMALL),
    "too long, by its bytes": ("zip_name_long", named("\u20ac\u20ac\u20ac".encode()), SMALL),
    "too long in all": ("zip_name_long", named(b"aaaaaa/aaaaaa"), SMALL),
    "list too long": ("zip_directory_large", one(central={"extra": extra(7, bytes(400))}), SMALL),
}


def _full_piece() -> bytes:
    """Data that end where a piece of 64 KiB does, and something behind them."""
    content = bytes(65_526)
    blocks = [(0, content[:60_000]), (1, content[60_000:])]
    data = b"".join(struct.pack("<BHH", last, len(some), len(some) ^ 0xFFFF) + some for last, some in blocks)
    return build(Item(b"a", content, method=8, data=data + b"more"))


def _long_header(at: int, length: int) -> bytes:
    archive = bytearray(build(Item(), OTHER))
    archive[at : at + 2] = struct.pack("<H", length)
    return bytes(archive)


def _entry_beyond() -> bytes:
    archive = bytearray(build(Item()))
    at = archive.index(b"PK\1\2")
    archive[at + 32 : at + 34] = b"\1\0"  # a comment that would begin the end of the archive
    return bytes(archive)


def _full_folder() -> bytes:
    said = {"size": 0}
    return build(Item(b"d/", b"text", mode=0o040755, local=said, central=said))


def _many_files(count: int, size: int) -> bytes:
    content = bytes(size)
    data = deflated(content)
    return build(*(Item(b"%d" % at, content, method=8, data=data) for at in range(count)))
