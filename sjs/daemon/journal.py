"""In the keeper: the append file that outlives it. What started and how it ended, until the manager has stored it.

    J 1 <boot id>                           the first record of each file
    B <tag> <output file, JSON>             written before the start
    S <tag> <pid> <start time of the pid>   written after it
    E <tag> <how it ended, JSON>
    F <tag>                                 the manager has stored the end

A B without S was cut off in the middle: then the output file, which the new process makes itself, tells whether it
ever ran (`spawn`). A line that was cut short (a full disk, a kill) is no record, and as each record brings a line end of
its own in front, it does not spoil the next. Files are numbered; one goes when all its attempts are forgotten.
"""

from __future__ import annotations

import errno
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

MAX_BYTES = 1 << 20

OPEN = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def append(fd: int, record: str) -> None:
    """Write one record, whole or not at all as far as a reader can tell."""
    data = f"\n{record}\n".encode("ascii")
    if os.write(fd, data) != len(data):
        raise OSError(errno.ENOSPC, "the journal could not take a whole record")


class Entry(NamedTuple):
    """An attempt that an earlier keeper started and no manager has stored the end of."""

    tag: str
    boot: str
    output: str
    pid: int = 0  # 0: it was being started
    start_time: int = 0
    end: Optional[Dict[str, Any]] = None


class Journal:
    """The files of one queue, the newest open for appending. Opening reads what earlier keepers left."""

    def __init__(self, folder: str, boot: str) -> None:
        self._folder = folder
        self._boot = boot
        self._tags: Dict[int, Set[str]] = {}
        self.found = self._read()
        self._number = max(self._tags, default=0)
        self.fd = -1
        self._next_file()

    def begin(self, tag: str, output: str) -> None:
        """The attempt is about to be started."""
        self._append(f"B {tag} {json.dumps(output)}")
        self._tags[self._number].add(tag)

    def started(self, tag: str, pid: int, start_time: int) -> None:
        self._append(f"S {tag} {pid} {start_time}")

    def ended(self, tag: str, end: Dict[str, Any]) -> None:
        self._append(f"E {tag} {json.dumps(end, separators=(',', ':'))}")

    def forget(self, tag: str) -> None:
        """The end is stored elsewhere; drop the record, and files that hold nothing else."""
        self._append(f"F {tag}")
        for number, tags in list(self._tags.items()):
            tags.discard(tag)
            if not tags and number != self._number:
                self._remove(number)
        if os.fstat(self.fd).st_size > MAX_BYTES:
            self._next_file()

    def _append(self, record: str) -> None:
        append(self.fd, record)

    def _next_file(self) -> None:
        old, was = self._number, self.fd
        self._number += 1
        self.fd = os.open(self._path(self._number), OPEN, 0o600)
        self._tags[self._number] = set()
        self._append(f"J 1 {self._boot}")
        if was >= 0:
            os.close(was)
        if not self._tags.get(old, {""}):
            self._remove(old)

    def _remove(self, number: int) -> None:
        del self._tags[number]
        try:
            os.unlink(self._path(number))
        except FileNotFoundError:
            return  # somebody cleaned up by hand, which is what was wanted

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"journal.{number}")

    def _read(self) -> List[Entry]:
        entries: Dict[str, Entry] = {}
        homes: Dict[str, int] = {}
        for number, boot, kind, tag, rest in self._records():
            if kind == "B":
                entries[tag] = Entry(tag, boot, json.loads(rest))
                homes[tag] = number
            elif kind == "F":
                entries.pop(tag, None)
            elif kind == "S" and tag in entries:
                pid, start_time = rest.split()
                entries[tag] = entries[tag]._replace(pid=int(pid), start_time=int(start_time))
            elif kind == "E" and tag in entries:
                entries[tag] = entries[tag]._replace(end=json.loads(rest))
        for tag in entries:
            self._tags[homes[tag]].add(tag)
        return list(entries.values())

    def _records(self) -> Iterator[Tuple[int, str, str, str, str]]:
        numbers = sorted(
            int(name[8:]) for name in os.listdir(self._folder) if name.startswith("journal.") and name[8:].isdigit()
        )
        for number in numbers:
            self._tags[number] = set()
            boot = ""
            with open(self._path(number), encoding="ascii", errors="replace") as source:
                for line in source.read().split("\n"):
                    kind, _, body = line.partition(" ")
                    tag, _, rest = body.partition(" ")
                    if kind == "J":
                        boot = rest
                    elif _is_whole(kind, rest):
                        yield number, boot, kind, tag, rest


def _is_whole(kind: str, rest: str) -> bool:
    if kind == "S":
        return len(rest.split()) == 2 and all(word.isdigit() for word in rest.split())
    if kind in ("B", "E"):
        try:
            return isinstance(json.loads(rest), str if kind == "B" else dict)
        except ValueError:
            return False
    return kind == "F"
