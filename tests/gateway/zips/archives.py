"""Archives written byte by byte, so that they can say what no program would."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from sjs.values import dataclass, field

HEADER = "<4sHHHHHIIIHH"
ENTRY = "<4sBBHHHHHIIIHHHHHII"
END = "<4sHHHHIIH"


@dataclass(frozen=True)
class Item:
    """A file, true but for what `local` and `central` say otherwise: both by the names of `written`."""

    name: bytes = b"a"
    content: bytes = b"text"
    method: int = 0
    flags: int = 0
    mode: int = 0o100644
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    data: bytes | None = None
    behind: bytes = b""
    at: int | None = None
    """Where it is said to begin, if it is not written at all."""

    def packed(self) -> bytes:
        if self.data is not None:
            return self.data
        return deflated(self.content) if self.method == 8 else self.content

    def true(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "packed": len(self.packed()),
            "size": len(self.content),
            "extra": b"",
            "system": 3,
            "outer": self.mode << 16,
            "disk": 0,
        }

    def header(self) -> bytes:
        says = self.true() | self.local
        numbers = says["flags"], says["method"], 0, 0x21, says["crc"], says["packed"], says["size"]
        name, extra = bytes(says["name"]), bytes(says["extra"])
        return struct.pack(HEADER, b"PK\3\4", 20, *numbers, len(name), len(extra)) + name + extra

    def entry(self, offset: int) -> bytes:
        says = {**self.true(), "offset": offset, **self.central}
        numbers = says["flags"], says["method"], 0, 0x21, says["crc"], says["packed"], says["size"]
        name, extra = bytes(says["name"]), bytes(says["extra"])
        lengths = len(name), len(extra), 0
        begin = struct.pack(
            ENTRY, b"PK\1\2", 20, says["system"], 20, *numbers, *lengths, says["disk"], 0, says["outer"], says["offset"]
        )
        return begin + name + extra


def deflated(content: bytes, level: int = 9) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflater.compress(content) + deflater.flush()


def build(*items: Item, before: bytes = b"", between: bytes = b"", comment: bytes = b"", **end: Any) -> bytes:
    """An archive; `between`: what stands before its end; `end`: what that says otherwise."""
    body, entries = bytearray(before), bytearray()
    for item in items:
        entries += item.entry(len(body) if item.at is None else item.at)
        if item.at is None:
            body += item.header() + item.packed() + item.behind
    true = {"disk": 0, "first": 0, "here": len(items), "count": len(items), "size": len(entries), "offset": len(body)}
    says = true | end
    numbers = says["disk"], says["first"], says["here"], says["count"], says["size"], says["offset"]
    return bytes(body) + entries + between + struct.pack(END, b"PK\5\6", *numbers, len(comment)) + comment


def end_64(count: int, size: int, offset: int, place: int, disks: int = 1, length: int = 44) -> bytes:
    """The record of 64 bits, and what leads to it."""
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", length, 45, 45, 0, 0, count, count, size, offset)
    return record + struct.pack("<4sIQI", b"PK\6\7", 0, place, disks)


def in_64(*numbers: int) -> bytes:
    """The extra field of 64 bits."""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def _literal(length: int) -> bytes:
    return struct.pack("<BHH", 0, length, length ^ 0xFFFF)


def _bits(*fields: tuple[int, int]) -> bytes:
    """Numbers of so many bits each, the lowest first."""
    number = at = 0
    for value, width in fields:
        number |= value << at
        at += width
    return number.to_bytes((at + 7) // 8, "little")


def _huffman(value: int, width: int) -> tuple[int, int]:
    return int(f"{value:0{width}b}"[::-1], 2), width


def quine() -> bytes:
    """An archive whose one entry is this archive: Russ Cox, "Zip Files All The Way Down", 2010.

    The deflated data know two orders: write the following bytes, and repeat the last so many bytes. All but the last of
    the latter take five bytes, as the former. The checksum in it is the one number that comes out for itself.
    """
    fixed, over = (2, 3), _huffman(0, 7)
    ten = (_huffman(264 - 256, 7), _huffman(8, 5), (20 - 17, 3))
    repeat_20 = _bits(fixed, *ten, *ten, over)
    repeat_65 = _bits(fixed, _huffman(276 - 256, 7), (65 - 59, 3), _huffman(12, 5), (0, 5), over, fixed, over)
    repeat_102 = _bits((3, 3), _huffman(279 - 256, 7), (102 - 99, 4), _huffman(13, 5), (102 - 97, 5), over)
    name = b"a-zip-that-has-itself-in-it.zi"
    none, one, four = _literal(0), _literal(5), _literal(20)

    def whole(crc: int, clock: int) -> bytes:
        numbers = 20, 0, 8, clock, 0x21, crc, packed, size, len(name), 0
        head = struct.pack(HEADER, b"PK\3\4", *numbers) + name
        entry = struct.pack(ENTRY, b"PK\1\2", 20, 0, *numbers, 0, 0, 0, 0, 0) + name
        tail = entry + struct.pack(END, b"PK\5\6", 0, 0, 1, 1, len(entry), len(head) + packed, 0)
        orders = [_literal(65), head, _literal(65), repeat_65, one, repeat_65, one, one]
        orders += [four, repeat_65, one, one, four, repeat_20, four, repeat_20, four, repeat_20, four, repeat_20]
        orders += [four, repeat_20, none, none, _literal(102), repeat_20, none, none, _literal(102), repeat_102, tail]
        return head + b"".join([*orders, repeat_102]) + tail

    def checksum(clock: int, crc: int) -> int:
        return zlib.crc32(whole(crc, clock))

    packed = size = 0
    size = len(whole(0, 0))
    packed = size - 60 - 98
    for clock in range(64):
        crc = _fixed_point(partial(checksum, clock))
        if crc is not None:
            return whole(crc, clock)
    raise AssertionError("no checksum comes out for itself")


def _fixed_point(function: Callable[[int], int]) -> int | None:
    """Where an affine function of 32 bits has itself as value."""
    base = function(0)
    rows = []
    columns = [function(1 << bit) ^ base ^ (1 << bit) for bit in range(32)]
    for bit in range(32):
        rows.append(sum((columns[at] >> bit & 1) << at for at in range(32)) | (base >> bit & 1) << 32)
    for bit in range(32):
        pivot = next((row for row in rows[bit:] if row >> bit & 1), None)
        if pivot is None:
            return None
        rows.remove(pivot)
        rows = [row ^ pivot if row >> bit & 1 else row for row in rows]
        rows.insert(bit, pivot)
    return sum((row >> 32) << bit for bit, row in enumerate(rows))
