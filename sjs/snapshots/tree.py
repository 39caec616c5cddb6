"""What a folder holds, as bytes whose digest names it. Pure.

    KIND DIGEST NAME NUL      for each thing in it, in the order of the names

A thing is a file, an executable one, a link (its digest is that of where it leads) or a folder. Names are bytes, as the
kernel has them. Equal folders have equal digests, so a tree is known by that of its topmost folder, and two trees share
all that is the same in both.
"""

from __future__ import annotations

import re
from typing import Any, Iterable, List, NamedTuple

from sjs.errors import BadRequest

FILE, EXECUTABLE, LINK, FOLDER = "f", "x", "l", "d"

TREE_OBJECT, FILE_OBJECT = "tree-", "file-"

OBJECT = re.compile(f"(?:{TREE_OBJECT}|{FILE_OBJECT})[0-9a-f]{{64}}", re.ASCII)
"""The name of what is kept: what kind of content it is, and its digest."""

_ENTRY = re.compile(rb"([fxld]) ([0-9a-f]{64}) ([^/\0]+)\0")


class Entry(NamedTuple):
    """One thing in a folder."""

    kind: str
    digest: str
    name: bytes

    @property
    def object(self) -> str:
        """The name of its contents."""
        return (TREE_OBJECT if self.kind == FOLDER else FILE_OBJECT) + self.digest


def digest_of(data: bytes) -> str:
    return str(new_digest(data).hexdigest())


def new_digest(data: bytes = b"") -> Any:
    """One that goes on with what comes."""
    import hashlib  # a manager looks whether a snapshot is there, and needs no OpenSSL for that

    return hashlib.sha256(data)


def to_bytes(entries: Iterable[Entry]) -> bytes:
    """The folder that holds these."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    return b"".join(b"%b %b %b\0" % (one.kind.encode(), one.digest.encode(), one.name) for one in ordered)


def from_bytes(data: bytes) -> List[Entry]:
    """What a folder holds; BadRequest where this is none, or one with which somebody could write elsewhere."""
    found: List[Entry] = []
    at = 0
    while at < len(data):
        match = _ENTRY.match(data, at)
        if match is None or match[3] in (b".", b"..") or (found and found[-1].name >= match[3]):
            raise BadRequest(f"no folder of a snapshot: {data[at : at + 40]!r}")
        found.append(Entry(match[1].decode(), match[2].decode(), match[3]))
        at = match.end()
    return found
