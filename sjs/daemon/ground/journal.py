"""In the keeper: the append file that outlives it. What started and how it ended, until the manager has stored it.

    J <version> "boot id"                         the first record of each file
    B <tag> [wall time, output file, limits...]   written before the start
    S <tag> [pid, born]                           written after it
    L <tag> [limits...]                           they have changed
    E <tag> {how it ended}
    F <tag> null                                  the manager has stored the end

A B without S was cut off in the middle: then the output file, which the new process makes itself, tells whether it
ever ran (`spawn`). A line that was cut short (a full disk, a kill) is no record, and as each record brings a line end
of its own in front, it does not spoil the next. Files are numbered; one goes when all its attempts are forgotten.
A file of a newer version is not read, and nothing is changed then.
"""

from __future__ import annotations

import errno
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from sjs.compact import to_json
from sjs.daemon.ground import space
from sjs.errors import SjsError

VERSION = 2

MAX_BYTES = 1 << 20

DAMAGED = object()
SHAPES: Dict[str, type] = {"J": str, "B": list, "S": list, "L": list, "E": dict, "F": type(None)}

OPEN = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Entry(NamedTuple):
    """An attempt that an earlier keeper started and no manager has stored the end of."""

    tag: str
    boot: str
    at: float
    output: str
    pid: int = 0  # 0: it was being started
    born: Tuple[int, int] = (0, 0)
    end: Optional[Dict[str, Any]] = None
    limits: Tuple[Any, ...] = ()  # what it may take (`limits`)


def read(folder: str) -> Dict[str, Tuple[int, Entry]]:
    """What the files tell: for each attempt that is not forgotten the number of its file, and its entry."""
    entries: Dict[str, Tuple[int, Entry]] = {}
    for number, boot, kind, tag, value in _records(folder):
        if kind == "B":
            at, output, *limits = value
            entries[tag] = number, Entry(tag, boot, at, output, limits=tuple(limits))
        elif kind == "F":
            entries.pop(tag, None)
        elif tag in entries:
            home, entry = entries[tag]
            if kind == "E":
                entries[tag] = home, entry._replace(end=value)
            elif kind == "L":
                entries[tag] = home, entry._replace(limits=tuple(value))
            else:
                pid, born = value
                entries[tag] = home, entry._replace(pid=pid, born=tuple(born))
    return entries


class Journal:
    """The files of one queue, the newest open for appending. Opening reads what earlier keepers left."""

    def __init__(self, folder: str, boot: str) -> None:
        self._folder = folder
        self._boot = boot
        self._tags: Dict[int, Set[str]] = {number: set() for number in _numbers(folder)}
        found = read(folder)
        for tag, (home, _) in found.items():
            for number in self._tags:
                if number >= home:  # its end may be in a later file
                    self._tags[number].add(tag)
        self.found = [entry for _, entry in found.values()]
        self._number = max(self._tags, default=0)
        self.fd = -1
        self._next_file()

    def begin(self, tag: str, at: float, output: str, limits: Sequence[Any] = ()) -> None:
        """The attempt is about to be started."""
        self._append("B", tag, [at, output, *limits])
        self._tags[self._number].add(tag)

    def started(self, tag: str, pid: int, born: Tuple[int, int]) -> None:
        """`born`: the earliest and the latest tick at which the process can have begun (`tree`)."""
        self._write(f"\nS {tag} [{pid},[{born[0]},{born[1]}]]\n")

    def limited(self, tag: str, limits: Sequence[Any]) -> None:
        """From now on, it may take so much."""
        self._append("L", tag, list(limits))

    def ended(self, tag: str, end: Dict[str, Any]) -> None:
        self._append("E", tag, end)
        self._tags[self._number].add(tag)  # so that this file stays as long as the one with its start

    def forget(self, done: Sequence[str]) -> None:
        """The ends are stored elsewhere; drop the records, and files that hold nothing else."""
        self._write("".join(f"\nF {tag} null\n" for tag in done))
        for tags in self._tags.values():
            tags.difference_update(done)
        self._remove_empty()
        if os.fstat(self.fd).st_size > MAX_BYTES:
            self._next_file()

    def _append(self, kind: str, tag: str, value: Any) -> None:
        self._write(_record(kind, tag, value))

    def _write(self, text: str) -> None:
        data = text.encode("ascii")
        try:
            _write(self.fd, data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not space.release(self._folder):
                raise
            _write(self.fd, data)

    def _next_file(self) -> None:
        was, self._number = self.fd, self._number + 1
        self.fd = os.open(_path(self._folder, self._number), OPEN, 0o600)
        self._tags[self._number] = set()
        self._append("J", str(VERSION), self._boot)
        if was >= 0:
            os.close(was)
        self._remove_empty()

    def _remove_empty(self) -> None:
        for number in [one for one, tags in self._tags.items() if not tags and one != self._number]:
            del self._tags[number]
            os.unlink(_path(self._folder, number))


def _record(kind: str, tag: str, value: Any) -> str:
    return f"\n{kind} {tag} {to_json(value)}\n"


def _write(fd: int, data: bytes) -> None:
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, "the journal could not take a whole record")


def _path(folder: str, number: int) -> str:
    return os.path.join(folder, f"journal.{number}")


def _numbers(folder: str) -> List[int]:
    names = (name[len("journal.") :] for name in os.listdir(folder) if name.startswith("journal."))
    return sorted(int(name) for name in names if name.isdigit())


def _records(folder: str) -> Iterator[Tuple[int, str, str, str, Any]]:
    """Every whole record: (number of its file, boot, kind, tag, value)."""
    for number in _numbers(folder):
        boot = ""
        for line in _lines(_path(folder, number)):
            kind, _, body = line.partition(" ")
            tag, _, rest = body.partition(" ")
            value = _value(kind, rest)
            if kind == "J":
                _check_version(_path(folder, number), tag)
                boot = str(value)
            elif value is not DAMAGED:
                yield number, boot, kind, tag, value


def _check_version(path: str, version: str) -> None:
    if version.isdigit() and int(version) > VERSION:
        raise SjsError(f"{path} was written by a newer sjs (journal {version})", "run that version")


def _lines(path: str) -> List[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as source:
            return source.read().split("\n")
    except FileNotFoundError:
        return []  # the keeper was done with it this moment


def _value(kind: str, text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return DAMAGED
    return value if isinstance(value, SHAPES.get(kind, ())) else DAMAGED
