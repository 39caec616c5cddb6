"""What a zip archive is made of, as bytes and as values. Nothing here opens anything.

archive   (header name extra data descriptor?)*   entry*   end64? locator?   end comment
"""

from __future__ import annotations

import struct

from sjs.gateway.zips.refusals import BadZip, shown
from sjs.values import dataclass

HEADER = struct.Struct("<4sHHHHHIIIHH")
ENTRY = struct.Struct("<4sBBHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
LOCATOR = struct.Struct("<4sIQI")
END64 = struct.Struct("<4sQHHIIQQQQ")

HEADER_MARK, ENTRY_MARK, END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
LOCATOR_MARK, END64_MARK, DESCRIPTOR_MARK = b"PK\x06\x07", b"PK\x06\x06", b"PK\x07\x08"

BIG, MANY = 0xFFFFFFFF, 0xFFFF
"""What stands in 32 and in 16 bits if the number is among those of 64."""

STORED, DEFLATED = 0, 8
IN_64, UNIX_LINKS, ASI_UNIX, AES = 0x0001, 0x000D, 0x756E, 0x9901

IS_ENCRYPTED, HAS_DESCRIPTOR, IS_STRONG, IS_UTF8, IS_MASKED = 1, 8, 1 << 6, 1 << 11, 1 << 13
IS_SEALED = IS_ENCRYPTED | IS_STRONG | IS_MASKED


@dataclass(frozen=True)
class Entry:
    """A file or a folder, as the list of entries has it. `mode`: as of Unix, else 0."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int
    parts: list[str]
    is_folder: bool


def extras(data: bytes, name: bytes) -> dict[int, bytes]:
    """The extra fields of an entry by their ids."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise BadZip("zip_extra", shown(name))
        kind, length = struct.unpack_from("<HH", data, at)
        value = data[at + 4 : at + 4 + length]
        if len(value) < length or kind in found:
            raise BadZip("zip_extra", shown(name))
        found[kind] = value
        at += 4 + length
    return found


def in_64(numbers: tuple[int, ...], field: bytes | None, name: bytes) -> list[int]:
    """Numbers of 32 bits, with those that did not fit from the field of 64 bits."""
    if field is None:
        if BIG in numbers:
            raise BadZip("zip_zip64", shown(name))
        return list(numbers)
    large = [value for (value,) in struct.iter_unpack("<Q", field[: len(field) & ~7])]
    if len(large) == numbers.count(BIG):
        return [large.pop(0) if number == BIG else number for number in numbers]
    # some write all of them, whether they fit or not
    if len(large) < len(numbers) or any(one not in (BIG, two) for one, two in zip(numbers, large, strict=False)):
        raise BadZip("zip_zip64", shown(name))
    return large[: len(numbers)]


def descriptors(entry: Entry) -> set[bytes]:
    """How the bytes behind an entry's data may be written."""
    found = set()
    for form in ("<III", "<IQQ"):
        if form == "<III" and max(entry.packed, entry.size) > BIG:
            continue
        plain = struct.pack(form, entry.crc, entry.packed, entry.size)
        found |= {plain, DESCRIPTOR_MARK + plain}
    return found
