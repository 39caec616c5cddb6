"""Takes the snapshot that a command asks for, and says what there is to be said of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sjs.cli.output import Output
from sjs.cli.text import printable, snapshot_text
from sjs.config import cache_path
from sjs.core.job import Snapshot
from sjs.core.quantities import size_text
from sjs.errors import UsageError

if TYPE_CHECKING:
    from sjs.capture.taking import Taken
    from sjs.snapshots.store import Store

WHO = "snapshot"


def taken_of(folder: str, limit: int | None, out: Output) -> Taken:
    """The folder as it is now; or behind `@`, as `again` has it, what was taken before."""
    from sjs.capture.known import Known
    from sjs.capture.taking import take
    from sjs.snapshots.store import Store
    from sjs.targets.bringing import Slowness

    store = Store(cache_path("snapshots", os.environ))
    if folder.startswith("@"):
        return _taken_before(store, folder[1:])
    known = Known(folder, cache_path("known", os.environ))
    taken = take(folder, store, known, Slowness(lambda line: out.notice(WHO, line), "reading files"), limit)
    if taken.links_out:
        what = "1 link leads" if taken.links_out == 1 else f"{taken.links_out} links lead"
        out.notice(WHO, f"{what} out of it and stays as it is: {printable(taken.link_out)}")
    return taken


def again(snapshot: Snapshot) -> str:
    """How to say which one was taken, when the folder may be another by now."""
    return "@" + ":".join((snapshot.id, snapshot.commit, snapshot.diff)).rstrip(":")


def _taken_before(store: Store, said: str) -> Taken:
    from sjs.capture.taking import Taken
    from sjs.snapshots.tree import FOLDER

    digest, commit, diff = (said + "::").split(":")[:3]
    if not store.use(digest):
        raise UsageError(f"snapshot {digest:.12} is not here any more", "--snapshot DIR takes another one")
    files, size, todo = 0, 0, [digest]
    for tree in todo:
        for entry in store.entries(tree):
            if entry.kind == FOLDER:
                todo.append(entry.digest)
            else:
                files += 1
                size += os.stat(store.path(entry.object)).st_size
    return Taken(Snapshot(digest, commit, diff), files, size)


def say_taken(taken: Taken, out: Output) -> None:
    """What a job would be given."""
    if out.json:
        out.record(WHO, {**vars(taken.snapshot), "files": taken.files, "size": taken.size})
    else:
        out.line(WHO, f"{snapshot_text(taken.snapshot)}: {taken.files} files, {size_text(taken.size)}")
