"""Brings a tree of files to a machine: what is there is asked for, folder by folder, and only the rest is sent."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sjs.core.quantities import size_text
from sjs.errors import NoSnapshot
from sjs.protocols import Progress
from sjs.snapshots.store import Store
from sjs.snapshots.tree import TREE_OBJECT
from sjs.targets.pipeline import PATIENCE, Pipeline
from sjs.targets.replies import understood
from sjs.targets.session import Session
from sjs.values import dataclass, field

PACK = 192 << 10
"""Bytes of objects in one request, before they are packed: then even what cannot be made smaller fits into a frame."""

NAMES = 2_000
"""Names of objects in one question."""

ROUNDS = 3
"""How often what is lacking is sent: once, and again should a disk lose it."""

SLOW = 2.0
"""Seconds after which a person is told how far it is, …"""

EVERY = 10.0
"""… and then again."""


@dataclass
class Slowness:
    """Tells a person of work that takes long, and how far it is."""

    tell: Callable[[str], None]
    what: str
    _due: float = field(default_factory=lambda: time.monotonic() + SLOW)

    def at(self, done: int, total: int) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY
            self.tell(f"{self.what}: {size_text(done)} of {size_text(total)}")


@dataclass(frozen=True)
class _Piece:
    """Some bytes of an object, as they are announced."""

    name: str
    offset: int
    data: bytes
    size: int


def bring(session: Session, store: Store, digest: str, progress: Progress) -> None:
    """Have the tree there as a whole."""
    for _ in range(ROUNDS):
        try:
            lacking = _lacking(session, store, digest)
            sizes = [os.stat(store.path(name)).st_size for name in lacking]
            _send(session, _packs(_pieces(store, lacking)), sum(sizes), progress)
        except FileNotFoundError as error:
            raise NoSnapshot(f"{error.filename} is gone", "hand in again with --snapshot") from None
        if not understood(_names, session.call("seal", PATIENCE, snapshot=digest)):
            return
    raise NoSnapshot(f"snapshot {digest:.12} cannot be brought: what was sent is not there", "is its disk in order?")


def _lacking(session: Session, store: Store, digest: str) -> list[str]:
    """What is not there of the tree. Below a folder that is there, the machine has looked itself."""
    todo = [TREE_OBJECT + digest]
    found: dict[str, None] = {}
    while todo:
        asked, todo = todo[:NAMES], todo[NAMES:]
        for name in understood(_names, session.call("lacking", PATIENCE, names=asked)):
            if name not in found:
                found[name] = None
                if name.startswith(TREE_OBJECT):
                    todo += [entry.object for entry in store.entries(name.removeprefix(TREE_OBJECT))]
    return list(found)


def _names(reply: dict[str, Any]) -> list[str]:
    return [str(name) for name in reply["lacking"]]


def _pieces(store: Store, names: Sequence[str]) -> Iterator[_Piece]:
    for name in names:
        with open(store.path(name), "rb") as source:
            size = os.fstat(source.fileno()).st_size
            offset = 0
            while offset == 0 or offset < size:
                data = source.read(PACK)
                yield _Piece(name, offset, data, size)
                offset += len(data) or 1


def _packs(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    """As many in each as fit."""
    pack: list[_Piece] = []
    room = PACK
    for piece in pieces:
        if pack and (len(piece.data) > room or len(pack) == NAMES):
            yield pack
            pack, room = [], PACK
        pack.append(piece)
        room -= len(piece.data)
    if pack:
        yield pack


def _send(session: Session, packs: Iterator[list[_Piece]], total: int, progress: Progress) -> None:
    line = Pipeline(session)
    done = 0
    for pack in packs:
        told = [[one.name, one.offset, len(one.data), one.size] for one in pack]
        payload = zlib.compress(b"".join(one.data for one in pack), 1)
        line.post("keep", lambda answer: None, payload, pieces=told)
        done += sum(len(one.data) for one in pack)
        progress.at(done, total)
    line.drain()
