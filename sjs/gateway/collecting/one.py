"""Collects what one job has left: lists it where it is, chooses, and puts each file into the store as it comes.

Whatever ends this in between, the next time comes to the same: keys and UUIDs follow from names, and what has a row is
not asked for again. Only when all is kept is that said, and only then does the machine remove what it has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import partial
from itertools import groupby

from sqlalchemy import Engine

from sjs.core.lifecycle import SUCCEEDED
from sjs.errors import Conflict, Refused, UnknownRequest
from sjs.gateway.artifacts.collecting import Choice, Taken, choose
from sjs.gateway.artifacts.media import mime_of
from sjs.gateway.artifacts.store import Store, Stored, key_of, uuid_of
from sjs.gateway.collecting.several import Several
from sjs.gateway.collecting.wanted import Wanted, from_text
from sjs.gateway.records import artifacts
from sjs.gateway.records.artifacts import Artifact, Leaving
from sjs.gateway.records.jobs import WANTED
from sjs.gateway.records.writer import Writer
from sjs.protocols import Target
from sjs.trees.entries import FOLDER, FRAME, Entry
from sjs.values import dataclass

LOG = logging.getLogger("sjs.gateway")

MANY, MUCH = 200, 64 << 20
"""Files, or bytes of files, that are written down together: what is lost with this process is put once more."""

SMALL = 32
"""Files that one message may hold, and that are put at the same time: each is waited for until it is durable."""

TIMES = 3
"""How often a file is put, of which something else is kept that nobody knows of."""

ITSELF = "."


class Spoilt(Exception):
    """Why no more comes of a file."""


@dataclass(frozen=True)
class Item:
    """A file on its way. `file`: with the path where it is."""

    file: Entry
    taken: Taken
    key: str
    uuid: str

    def kept(self, stored: Stored) -> Artifact:
        name = self.taken.name
        return Artifact(name, mime_of(name), stored.size, stored.sha256, self.uuid, self.key)


class One:
    """What is left of one job; Refused if its target has no machine. `pool` waits for the store; `go_on` is asked
    before each piece, and raises what is to end this."""

    def __init__(
        self,
        of: Leaving,
        target: Target,
        store: Store,
        pool: Executor,
        engine: Engine,
        write: Writer,
        go_on: Callable[[], None],
    ) -> None:
        self._of = of
        self._wanted: Wanted = from_text(of.rules)
        self._target = target
        self._machine = target.machine
        self._store = store
        self._pool = pool
        self._engine = engine
        self._write = write
        self._go_on = go_on
        self._kept: list[Artifact] = []
        self._bytes = 0

    def collect(self) -> None:
        """Have all of it kept, and then removed there."""
        is_wanted = self._of.state == SUCCEEDED or not self._wanted.only_ok
        if self._of.kept == WANTED:
            words = self._all() if is_wanted else ()
            self._written()
            now = time.time()
            self._write(lambda connection: artifacts.collected(connection, self._of, words, now))
        if is_wanted:
            self._discard()
        self._write(lambda connection: artifacts.done(connection, self._of))

    def _discard(self) -> None:
        attempts = [(self._of.number, attempt) for attempt in range(1, self._of.attempt + 1)]
        try:
            self._machine.discard("tree" if self._wanted.whole else "artifacts", attempts)
        except Refused as error:  # it goes when the outputs do
            LOG.warning("what job %d has left is kept, and stays where it was, too: %s", self._of.job, error)

    def _all(self) -> Sequence[str]:
        """What was left out, in words."""
        try:
            remains = self._machine.remains(self._of.number, self._of.attempt)
        except UnknownRequest as error:  # a gate that does not let it be had; it will not do so later
            return [f"{ITSELF}: {error.message}"]
        top = remains.tree if self._wanted.whole else remains.artifacts
        choice = self._chosen(remains.at, top)
        with self._engine.connect() as connection:
            there = artifacts.known(connection, self._of.job, self._of.attempt)
        items = [self._item(top, taken) for taken in choice.taken]
        self._put_all(remains.at, [item for item in items if item.uuid not in there], choice)
        return choice.words()

    def _chosen(self, at: str, top: str) -> Choice:
        """What of it is taken, by the paths that it has below `at`."""
        choice = Choice()

        def trouble(path: str, why: str) -> None:
            choice.leave_out(path[len(top) + 1 :] or ITSELF, why)

        listing = Below(top, self._machine.listed(at, top, trouble))
        try:
            choose(listing, self._wanted.rules, choice)
        except Refused as error:
            choice.leave_out(ITSELF, error.message)
        if listing.trouble:
            choice.leave_out(ITSELF, listing.trouble)
        elif not listing.is_there:
            gone = self._gone() or ("the folder in which it ran is not there any more" if self._wanted.whole else "")
            if gone:
                choice.leave_out(ITSELF, gone)
        return choice

    def _gone(self) -> str:
        """Why what it had left is not there any more; nothing, where it may have left nothing."""
        try:
            for _ in self._target.read(self._of.number, ("out",), lines=1, attempt=self._of.attempt):
                pass
        except Refused as error:
            return error.message
        return ""

    def _item(self, top: str, taken: Taken) -> Item:
        job, attempt = self._of.job, self._of.attempt
        place = taken.file._replace(path=f"{top}/{taken.file.path}")
        return Item(place, taken, key_of(job, attempt, taken.name), uuid_of(job, attempt, taken.name))

    # Putting

    def _put_all(self, at: str, items: Sequence[Item], choice: Choice) -> None:
        for _ in range(TIMES):
            items = self._put(at, items, choice)
            if not items:
                return
        for item in items:
            choice.leave_out(item.taken.file.path, "is never twice the same")

    def _put(self, at: str, items: Sequence[Item], choice: Choice) -> Sequence[Item]:
        """Put them; those are given back under whose keys something else was kept, of which there is no row: left by
        who was killed before he could write that down. It is not kept any more."""
        by_path = {item.file.path: item for item in items}
        again: list[Item] = []

        def settle(item: Item, stored: Stored | None) -> None:
            if stored is None:
                again.append(item)
            else:
                self._keep(item.kept(stored))

        with closing(self._machine.contents(at, [item.file for item in items])) as stream, self._several() as several:
            for path, pieces in groupby(stream, lambda one: one[0].path):
                item = by_path[path]
                try:
                    if item.file.size > FRAME:
                        settle(item, self._stored(item, self._data(pieces)))
                    else:
                        several.begin(partial(self._stored, item, list(self._data(pieces))), partial(settle, item))
                except Spoilt as why:
                    self._store.delete([item.key])
                    choice.leave_out(item.taken.file.path, str(why))
        return again

    def _several(self) -> Several[Stored | None]:
        return Several(self._pool, SMALL)

    def _stored(self, item: Item, data: Iterable[bytes]) -> Stored | None:
        """Keep it. None where something else was, which is not any more."""
        try:
            return self._store.put(item.key, data, mime_of(item.taken.name), item.file.size)
        except Conflict:
            self._store.delete([item.key])
            return None

    def _data(self, pieces: Iterable[tuple[Entry, bytes | str]]) -> Iterator[bytes]:
        for _, came in pieces:
            self._go_on()
            if isinstance(came, str):
                raise Spoilt(came)
            yield came

    def _keep(self, artifact: Artifact) -> None:
        self._kept.append(artifact)
        self._bytes += artifact.size
        if len(self._kept) >= MANY or self._bytes >= MUCH:
            self._written()

    def _written(self) -> None:
        found, self._kept, self._bytes = self._kept, [], 0
        if found:
            now = time.time()
            self._write(lambda connection: artifacts.add(connection, self._of, found, now))


class Below:
    """A listing, by paths below its top. `trouble`: why that is none; `is_there`: whether there is anything."""

    def __init__(self, top: str, listing: Iterable[Entry]) -> None:
        self._top = top
        self._listing = listing
        self.is_there = False
        self.trouble = ""

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._listing:
            self.is_there = True
            if entry.path != self._top:
                yield entry._replace(path=entry.path[len(self._top) + 1 :])
            elif entry.kind != FOLDER:
                self.trouble = "is no folder any more"
