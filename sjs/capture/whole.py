"""The snapshot of a folder with all that is in it: of one that was made for this, which no git knows."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sjs.capture.taking import TRIES, sweep
from sjs.core.job import Snapshot
from sjs.errors import Refused, SjsError
from sjs.snapshots import tree
from sjs.snapshots.store import Store
from sjs.snapshots.tree import EXECUTABLE, FILE, FILE_OBJECT, FOLDER, LINK, TREE_OBJECT, Entry


def take_whole(folder: str, store: Store) -> Snapshot:
    """The snapshot of all its files, links and folders, also of empty ones; Refused for what is none of these. It is in
    the store durably when this returns, and nothing of the folder is needed any more."""
    store.make()
    for _ in range(TRIES):
        digest = _folder(os.fsencode(folder), store)
        if not store.seal(digest):
            sweep(store)
            return Snapshot(digest)
    raise SjsError(f"what was put into {store.folder} is not there", "is its disk in order?")


def _folder(path: bytes, store: Store) -> str:
    """Keep what is in it; the digest of that."""
    return store.add(TREE_OBJECT, tree.to_bytes(_entries(path, store)))


def _entries(path: bytes, store: Store) -> Iterator[Entry]:
    with os.scandir(path) as found:
        for one in found:
            if one.is_symlink():
                yield Entry(LINK, store.add(FILE_OBJECT, os.readlink(one.path)), one.name)
            elif one.is_dir():
                yield Entry(FOLDER, _folder(one.path, store), one.name)
            elif one.is_file():
                kind = EXECUTABLE if one.stat().st_mode & 0o100 else FILE
                with open(one.path, "rb") as source:
                    yield Entry(kind, store.copy(source), one.name)
            else:
                raise Refused(f"{os.fsdecode(one.path)} is neither a file, a folder nor a link")
