"""Takes a snapshot: all that belongs to a folder is kept by its contents, in a store of this user's, from where it is
brought to machines. So what was taken is what runs, whatever becomes of the folder, however late a machine is asked.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from sjs.capture.known import Known
from sjs.capture.listing import IGNORE, listed
from sjs.core.job import Snapshot
from sjs.core.quantities import size_text
from sjs.errors import SjsError, UsageError
from sjs.protocols import Progress
from sjs.snapshots import tree
from sjs.snapshots.store import DAY, Store
from sjs.snapshots.tree import EXECUTABLE, FILE, FILE_OBJECT, FOLDER, LINK, TREE_OBJECT, Entry
from sjs.values import dataclass

MAX_FILES = 100_000
MAX_BYTES = 1 << 30

KEPT = 30 * DAY
"""Seconds for which a snapshot stays here that nobody uses."""

TRIES = 3


@dataclass(frozen=True)
class Taken:
    """A snapshot, how much there is in it, and how many of its links lead out of it, with the first of them."""

    snapshot: Snapshot
    files: int
    size: int
    links_out: int = 0
    link_out: str = ""


def take(folder: str, store: Store, known: Known, progress: Progress, limit: int | None = None) -> Taken:
    """The snapshot of a folder. `limit`: how many bytes it may have, in however many files."""
    if not os.path.isdir(folder):
        raise UsageError(f"--snapshot: {folder} is no folder")
    listing = listed(folder)
    found = _looked_at(folder, listing.paths)
    _check_size(folder, found, limit)
    store.make()
    taking = _Taking(folder, store, known, progress, found)
    for _ in range(TRIES):
        entries = taking.files()
        digest, folders = _folders(entries)
        if not store.use(digest):
            for data in folders:
                store.add(TREE_OBJECT, data)
            lost = store.seal(digest)
            if lost:  # a file that is known here, but kept no more
                known.forget({name.removeprefix(FILE_OBJECT) for name in lost})
                continue
        known.save()
        sweep(store)
        diff = _diff(entries, listing.changed)
        out = _links_out(folder, entries)
        size = sum(one.st_size for one in found.values())
        return Taken(Snapshot(digest, listing.commit, diff), len(entries), size, len(out), out[0] if out else "")
    raise SjsError(f"what was put into {store.folder} is not there", "is its disk in order?")


def _looked_at(folder: str, paths: set[bytes]) -> dict[bytes, os.stat_result]:
    """The files and links that there are. What is below a link is none of this tree's."""
    top = os.fsencode(folder)
    found = {}
    for path in sorted(paths):
        try:
            seen = os.lstat(os.path.join(top, path))
        except (FileNotFoundError, NotADirectoryError):
            continue  # tracked, and removed
        if stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode):
            found[path] = seen
    links = {path for path, seen in found.items() if stat.S_ISLNK(seen.st_mode)}
    return {path: seen for path, seen in found.items() if not links or links.isdisjoint(_above(path))}


def _above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:count]) for count in range(1, len(parts))]


def _check_size(folder: str, found: Mapping[bytes, os.stat_result], limit: int | None) -> None:
    size = sum(one.st_size for one in found.values())
    if size <= (MAX_BYTES if limit is None else limit) and (limit is not None or len(found) <= MAX_FILES):
        return
    sizes: Counter[bytes] = Counter()
    for path, one in found.items():
        sizes[path.partition(b"/")[0]] += one.st_size + 1
    largest = ", ".join(f"{os.fsdecode(name)} {size_text(count)}" for name, count in sizes.most_common(3))
    raise UsageError(
        f"the snapshot of {folder} has {size_text(size)} in {len(found)} files (largest: {largest})",
        f"name in {os.path.join(folder, IGNORE)} what jobs do not need, or say --snapshot-limit {size_text(size)}",
    )


class _Taking:
    """The files of one folder on their way into the store."""

    def __init__(
        self, folder: str, store: Store, known: Known, progress: Progress, found: Mapping[bytes, os.stat_result]
    ) -> None:
        self._top = os.fsencode(folder)
        self._store = store
        self._known = known
        self._progress = progress
        self._found = found

    def files(self) -> dict[bytes, Entry]:
        """What each of them is."""
        total = sum(one.st_size for one in self._found.values())
        done = 0
        entries: dict[bytes, Entry] = {}
        for path, seen in self._found.items():
            entry = self._entry(path, seen)
            if entry is not None:
                entries[path] = entry
            done += seen.st_size
            self._progress.at(done, total)
        return entries

    def _entry(self, path: bytes, seen: os.stat_result) -> Entry | None:
        name = os.path.basename(path)
        place = os.path.join(self._top, path)
        digest = self._known.digest(path, seen)
        try:
            if stat.S_ISLNK(seen.st_mode):
                return Entry(LINK, digest or self._store.add(FILE_OBJECT, os.readlink(place)), name)
            kind = EXECUTABLE if seen.st_mode & stat.S_IXUSR else FILE
            return Entry(kind, digest or self._read(path, place), name)
        except FileNotFoundError:
            return None  # removed just now
        except OSError as error:
            raise UsageError(f"{os.fsdecode(place)}: {error.strerror}", f"or name it in {IGNORE}") from None

    def _read(self, path: bytes, place: bytes) -> str:
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as source:
            before = os.fstat(fd)
            digest = self._store.copy(source)
            after = os.fstat(fd)
        if (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == (
            after.st_mtime_ns,
            after.st_ctime_ns,
            after.st_size,
        ):
            self._known.learn(path, after, digest)
        return digest


def _folders(entries: Mapping[bytes, Entry]) -> tuple[str, Sequence[bytes]]:
    """The digest of the topmost folder, and what all of them hold."""
    inside: defaultdict[bytes, list[Entry]] = defaultdict(list)
    for path, entry in entries.items():
        inside[os.path.dirname(path)].append(entry)
        for above in _above(path):
            inside[above]
    found = []
    for path in sorted(inside.keys() - {b""}, key=lambda path: -path.count(b"/")):
        data = tree.to_bytes(inside[path])
        found.append(data)
        inside[os.path.dirname(path)].append(Entry(FOLDER, tree.digest_of(data), os.path.basename(path)))
    top = tree.to_bytes(inside[b""])
    return tree.digest_of(top), [*found, top]


def _diff(entries: Mapping[bytes, Entry], changed: set[bytes]) -> str:
    """A digest of all that is otherwise than in the commit; nothing, if it is all as there."""
    if not changed:
        return ""
    told = (b"%b %b\0" % (path, repr(entries.get(path, ())).encode()) for path in sorted(changed))
    return tree.digest_of(b"".join(told))


def _links_out(folder: str, entries: Mapping[bytes, Entry]) -> list[str]:
    """The links by which a job may see something that is not in the snapshot."""
    top = os.fsencode(os.path.abspath(folder))
    found = []
    for path in (path for path, entry in entries.items() if entry.kind == LINK):
        place = os.path.join(top, path)
        try:
            target = os.readlink(place)
        except OSError:
            continue  # it was a link when it was taken
        if not os.path.normpath(os.path.join(os.path.dirname(place), target)).startswith(top + b"/"):
            found.append(f"{os.fsdecode(path)} -> {os.fsdecode(target)}")
    return found


def sweep(store: Store) -> None:
    """Once a day, away with what nobody has used for long."""
    stamp = os.path.join(store.folder, "new", ".swept")
    now = time.time()
    try:
        if now - os.stat(stamp).st_mtime < DAY:
            return
    except FileNotFoundError:
        pass  # never before
    with open(stamp, "w"):
        os.utime(stamp)
    for _ in store.sweep(lambda digest: store.age(digest, now) < KEPT, now):
        pass
