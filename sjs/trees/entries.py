"""What there is in a tree, piece by piece, and how that travels. Nothing here opens anything.

    entry   [path, kind, mode, size, mtime, where a link leads]     below some folder, parts with "/" in between
    piece   [path, mode, size, mtime, offset, length, is first]     some of a file's bytes

A path is text whose bytes (UTF-8, and surrogates for what is none) are those of the name, whatever the locale says.
"""

from __future__ import annotations

import hashlib
import stat
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple, TypeVar

from sjs.errors import BadRequest

FILE, FOLDER, LINK = "f", "d", "l"
KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}

FRAME = 256 << 10
"""Bytes of files in one message."""

BLOCK = 16 << 20
"""Bytes of which both sides name what they have, before a file is gone on with."""

MANY = 1_000
"""Entries or pieces in one message …"""

TEXT = 128 << 10
"""… and the letters of their paths, each of which may take six on the wire."""

PART = b".sjs-"
"""How names begin of files that are not whole."""

NOWHERE = frozenset((b"", b".", b".."))
"""What is no name of anything in a folder."""

TICKS = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
"""Nanoseconds to which file systems cut a time off."""

Item = TypeVar("Item", "Entry", "Piece")


class Entry(NamedTuple):
    """A file, a folder or a link. `mtime` in nanoseconds."""

    path: str
    kind: str
    mode: int = 0
    size: int = 0
    mtime: int = 0
    leads_to: str = ""

    @property
    def text(self) -> int:
        """How much of a message its words take."""
        return len(self.path) + len(self.leads_to)

    @property
    def weight(self) -> int:
        """Of the bytes that follow a list of entries, none are its."""
        return 0


class Piece(NamedTuple):
    """Some bytes of a file. `is_first`: of those that are sent this time."""

    file: Entry
    offset: int
    length: int
    is_first: bool = False

    @property
    def is_last(self) -> bool:
        """Whether the file is whole with it."""
        return self.offset + self.length == self.file.size

    @property
    def text(self) -> int:
        return len(self.file.path)

    @property
    def weight(self) -> int:
        return self.length


def parts(path: Any) -> List[bytes]:
    """The names in a path. BadRequest for one that would lead elsewhere."""
    found = bytes_of(path).split(b"/") if isinstance(path, str) else [b""]
    if not NOWHERE.isdisjoint(found) or "\0" in path:
        raise BadRequest(f"no path below a folder: {path!r:.80}")
    return found


def bytes_of(text: str) -> bytes:
    """The bytes of a text that travels. BadRequest for what is no text of ours."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadRequest(f"no name of a file: {text!r:.80}") from None


def text_of(name: bytes) -> str:
    """A name as it stands in a path."""
    return name.decode("utf-8", "surrogateescape")


def entry_of(path: str, found: Any, leads_to: str = "") -> Optional[Entry]:
    """The entry for what `os.stat` has found; None for what is neither file, folder nor link."""
    kind = KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return None
    size = found.st_size if kind == FILE else 0
    return Entry(path, kind, found.st_mode & 0o777, size, found.st_mtime_ns, leads_to)


def is_same(wanted: Entry, there: Entry) -> bool:
    """Whether a file need not be sent again: of the same size, and as old, as far as that file system can say."""
    if (there.kind, there.size) != (FILE, wanted.size):
        return False
    return any(wanted.mtime - wanted.mtime % tick == there.mtime for tick in TICKS)


def part_names(name: bytes, file: Entry) -> Tuple[bytes, bytes]:
    """What a file is called until it is whole: how all its versions begin, and the name of this one."""
    begin = PART + hashlib.sha256(name).hexdigest()[:16].encode() + b"-"
    version = hashlib.sha256(f"{file.size} {file.mtime}".encode()).hexdigest()[:16]
    return begin, begin + version.encode() + b".part"


def pieces(files: Iterable[Tuple[Entry, int]]) -> Iterator[Piece]:
    """Files cut into pieces, each from some offset on."""
    for file, start in files:
        yield Piece(file, start, min(FRAME, file.size - start), is_first=True)
        for offset in range(start + FRAME, file.size, FRAME):
            yield Piece(file, offset, min(FRAME, file.size - offset))


def batches(items: Iterable[Item]) -> Iterator[List[Item]]:
    """The same in lists that a message can hold."""
    batch: List[Item] = []
    weight = text = 0
    for item in items:
        weight += item.weight
        text += item.text
        if batch and (len(batch) >= MANY or weight > FRAME or text > TEXT):
            yield batch
            batch, weight, text = [], item.weight, item.text
        batch.append(item)
    if batch:
        yield batch


def named(data: bytes) -> str:
    """What names some bytes of a file."""
    return hashlib.sha256(data).hexdigest()


def entry_from(value: Any) -> Entry:
    """An entry that has come."""
    path, kind, mode, size, mtime, leads_to = _list(value, 6)
    parts(path)
    if kind not in (FILE, FOLDER, LINK) or not isinstance(leads_to, str) or (kind == LINK) != bool(leads_to):
        raise BadRequest(f"no entry: {value!r:.80}")
    if b"\0" in bytes_of(leads_to):
        raise BadRequest(f"no link: {value!r:.80}")
    return Entry(path, kind, _whole(mode) & 0o777, _whole(size), _whole(mtime, -(2**63)), leads_to)


def piece_to(piece: Piece) -> List[Any]:
    """A piece as it travels."""
    file = piece.file
    return [file.path, file.mode, file.size, file.mtime, piece.offset, piece.length, piece.is_first]


def piece_from(value: Any) -> Piece:
    """A piece that has come."""
    path, mode, size, mtime, offset, length, is_first = _list(value, 7)
    parts(path)
    file = Entry(path, FILE, _whole(mode) & 0o777, _whole(size), _whole(mtime, -(2**63)))
    piece = Piece(file, _whole(offset), _whole(length), is_first is True)
    if piece.offset + piece.length > file.size or piece.length > FRAME:
        raise BadRequest(f"no piece of a file: {value!r:.80}")
    return piece


def _list(value: Any, length: int) -> List[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise BadRequest(f"not a list of {length}: {value!r:.80}")
    return value


def _whole(value: Any, low: int = 0) -> int:
    if type(value) is not int or not low <= value < 2**63:
        raise BadRequest(f"no whole number from {low} on: {value!r:.40}")
    return value
