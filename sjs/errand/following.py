"""The values of one metric, as jobs print them: all that there are, then those that come.

Nothing is looked at again and again: the kernel tells of each file in a watched folder that grows or is made. However
fast jobs print, there are only so many looks a second, and only so many bytes of a job are read in each. Only what
other machines write (the nodes of a cluster) is looked at by time, some of it each time: of that no kernel tells.
"""

from __future__ import annotations

import math
import os
import re
import select
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from sjs import wire
from sjs.core.job import Range, contains
from sjs.core.metrics import Lines, Number, reader, to_wire
from sjs.core.stopping import MAX_STEPS
from sjs.daemon.ground import kind
from sjs.daemon.ground.kernel import IN_CREATE, IN_MODIFY, IN_Q_OVERFLOW, Inotify
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.workspace import output_path
from sjs.errand.client import Client, Errand, Reply, Request
from sjs.errand.outputs import limited, opened
from sjs.errors import Refused

PACE = 0.25
"""Seconds from one look to the next."""

PIECE = 1 << 20
"""Bytes of one output that a look reads."""

PATIENCE = 2.0
"""Seconds of a processor that a person's expression may take for one of them."""

MOST = 500
"""Outputs of other machines that are opened in one look."""

MAX_SAID = 50_000
"""Values in one reply, or little more."""

LONGEST = 3600

_OUTPUT = re.compile(r"(\d{1,18})(?:\.(\d{1,9}))?\.(out|err)", re.ASCII)

Output = Tuple[int, int, str]
"""A job, an attempt, a stream."""

ValuesOf = Callable[[str], Iterator[Number]]
"""The values of the metric in a line."""


def errands() -> Dict[str, Errand]:
    """What can be asked, by one client."""
    return {"series": Following().series}


class Following:
    """What one client follows."""

    def __init__(self) -> None:
        self._asked: Any = None
        self._growth: Optional[Growth] = None
        self._series: Dict[Output, Series] = {}
        self._changed: Set[Output] = set()
        self._next_look = 0.0

    def series(self, request: Request, client: Client, where: Places) -> Reply:
        """What outputs of jobs say of the `metric`: once there is something that was not said in this session, or
        after `timeout` seconds, or when the client says something else."""
        until = time.monotonic() + wire.whole(request, "timeout", 0, LONGEST, 0)
        pattern = wire.text(request, "pattern") if request.get("pattern") else None
        read, metric = reader(pattern), wire.text(request, "metric")

        def values_of(line: str) -> Iterator[Number]:
            return (value for name, value in read(line) if name == metric)

        growth = self._followed(where, (metric, pattern, wire.job_set(request)))
        while not _speaks(client, self._next_look - time.monotonic()):
            self._changed |= growth.changed()
            self._next_look = time.monotonic() + PACE
            found = self._look(where, values_of, PATIENCE if pattern else 0.0)
            if found or time.monotonic() >= until:
                return {"series": found}
            if not self._changed and _speaks(client, min(until, growth.look_at) - time.monotonic(), growth.fd):
                break
        return {"series": []}

    def _followed(self, where: Places, asked: Any) -> Growth:
        """What tells of growth: kept while the same is asked for."""
        if self._growth is None or asked != self._asked:
            if self._growth is not None:
                self._growth.close()
            self._growth = Growth(where.jobs, asked[2], kind.of(where) == kind.SLURM)
            self._asked, self._series, self._changed = asked, {}, set()
        return self._growth

    def _look(self, where: Places, values_of: ValuesOf, patience: float) -> List[Sequence[Any]]:
        """Read on in what has changed."""
        found: List[Sequence[Any]] = []
        said = 0
        for output in sorted(self._changed):
            one = self._series.setdefault(output, Series(output_path(where.jobs, *output)))
            first = one.count
            with limited(patience, f"to read what job {output[0]} has printed"):
                values, has_more = one.read_on(values_of)
            if not has_more:
                self._changed.discard(output)
            if values:
                found.append((*output, first, [to_wire(value) for value in values]))
            said += len(values)
            if said >= MAX_SAID:
                break
        return found


def _speaks(client: Client, seconds: float, *others: int) -> bool:
    """Whether the client says something within these seconds, or before something comes from the others."""
    if client.has_said_more:
        return True
    ready = select.select([client.fd, *others], [], [], max(0.0, seconds))[0]
    if client.fd in ready:
        client.look()
    return client.fd in ready


class Growth:
    """Which outputs of these jobs have come or grown, by the word of the kernel; at first, those that there are. Where
    jobs run elsewhere, which may have: a few at a time, all in turn."""

    def __init__(self, folder: str, jobs: Optional[List[Range]], is_elsewhere: bool = False) -> None:
        self._folder = folder
        self._jobs = jobs
        self._inotify = Inotify()
        self._folders: Dict[int, str] = {}
        self._changed: Set[Output] = set()
        if not os.path.isdir(folder):
            raise Refused(f"no job has run here yet: there is no {folder}")
        self._top = self._inotify.watch(folder, IN_CREATE)
        self._look_at_all()
        self._turn: List[Output] = []
        self.look_at = time.monotonic() + kind.LOOK if is_elsewhere else math.inf

    @property
    def fd(self) -> int:
        """Becomes readable when there is news."""
        return self._inotify.fd

    def changed(self) -> Set[Output]:
        """What has changed since the last call."""
        for number, mask, name in self._inotify.read_names():
            if mask & IN_Q_OVERFLOW:
                self._look_at_all()
            elif number == self._top:
                self._add(name)
            else:
                self._note(name)
        if time.monotonic() >= self.look_at:
            self._look_at_some()
            self.look_at = time.monotonic() + kind.LOOK
        changed, self._changed = self._changed, set()
        return changed

    def close(self) -> None:
        os.close(self._inotify.fd)

    def _look_at_all(self) -> None:
        for name in os.listdir(self._folder):
            self._add(name)

    def _look_at_some(self) -> None:
        """Take those whose turn it is for changed, for only to open them tells of that over a network."""
        if not self._turn:
            told, self._changed = self._changed, set()
            self._look_at_all()
            self._turn, self._changed = sorted(self._changed), told
        self._changed.update(self._turn[:MOST])
        del self._turn[:MOST]

    def _add(self, name: str) -> None:
        """Watch the folder of a thousand jobs, and note what is in it by then."""
        if not name.isdigit() or not self._is_wanted(range(1000 * int(name), 1000 * int(name) + 1000)):
            return
        path = os.path.join(self._folder, name)
        try:
            self._folders[self._inotify.watch(path, IN_CREATE | IN_MODIFY)] = path
            names = os.listdir(path)
        except FileNotFoundError:
            if os.path.isdir(path):
                raise Refused(
                    "this machine lets nobody watch more folders", "sysctl fs.inotify.max_user_watches"
                ) from None
            return  # it was cleaned away
        for one in names:
            self._note(one)

    def _is_wanted(self, span: range) -> bool:
        return self._jobs is None or any(low <= span[-1] and span[0] <= high for low, high in self._jobs)

    def _note(self, name: str) -> None:
        found = _OUTPUT.fullmatch(name)
        if found is not None and (self._jobs is None or contains(self._jobs, int(found[1]))):
            self._changed.add((int(found[1]), int(found[2] or 1), found[3]))


class Series:
    """One output, and how far it has been read: `count` values."""

    def __init__(self, path: str) -> None:
        self.count = 0
        self._path = path
        self._offset = 0
        self._lines = Lines()

    def read_on(self, values_of: ValuesOf) -> Tuple[List[Number], bool]:
        """The next values, and whether there is more to read: nothing of an output that has said enough, or that its
        job has made something else of than a file, which `results` says."""
        if self.count >= MAX_STEPS:
            return [], False
        try:
            with opened(self._path) as fd:
                data = b"" if fd is None else os.pread(fd, PIECE, self._offset)
        except OSError:
            return [], False
        self._offset += len(data)
        values = [value for line in self._lines.feed(data) for value in values_of(line)]
        values = values[: MAX_STEPS - self.count]
        self.count += len(values)
        return values, len(data) == PIECE
