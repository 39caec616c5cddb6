"""A snapshot with files beside all else that it has, which were made and lie nowhere."""

from __future__ import annotations

from collections.abc import Mapping

from sjs.core.job import Snapshot
from sjs.snapshots import tree
from sjs.snapshots.store import Store
from sjs.snapshots.tree import FILE, FILE_OBJECT, FOLDER, TREE_OBJECT, Entry
from sjs.values import replace


def with_folder(name: str, files: Mapping[str, bytes], base: Snapshot | None, store: Store) -> Snapshot:
    """The snapshot, if there is one, with a folder of these files at its top, instead of what is called so there. The
    name of a file may have folders of its own. It is in the store durably when this returns."""
    store.make()
    others = [] if base is None else [one for one in store.entries(base.id) if one.name != name.encode()]
    inside = Entry(FOLDER, _folder(files, store), name.encode())
    top = store.add(TREE_OBJECT, tree.to_bytes([*others, inside]))
    if not store.use(top):
        store.seal(top)
    return Snapshot(top) if base is None else replace(base, id=top)


def _folder(files: Mapping[str, bytes], store: Store) -> str:
    """Keep these; the digest of what holds them."""
    entries: list[Entry] = []
    below: dict[str, dict[str, bytes]] = {}
    for name, data in files.items():
        first, slash, rest = name.partition("/")
        if slash:
            below.setdefault(first, {})[rest] = data
        else:
            entries.append(Entry(FILE, store.add(FILE_OBJECT, data), name.encode()))
    entries += [Entry(FOLDER, _folder(some, store), name.encode()) for name, some in below.items()]
    return store.add(TREE_OBJECT, tree.to_bytes(entries))
