"""What jobs have printed and written, fetched from their machine: what is not here yet, and no more."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sjs.core.job import Job
from sjs.errors import LinkLost, Refused
from sjs.targets.pipeline import PATIENCE, Pipeline
from sjs.targets.replies import understood
from sjs.targets.session import Message, Session
from sjs.trees.entries import BLOCK, FILE, Entry, Piece, batches, entry_from, piece_to, pieces
from sjs.trees.landing import Landing
from sjs.trees.patterns import is_match
from sjs.trees.tally import Tally, Watch
from sjs.wire import MAX_PAGE

AHEAD = 8
"""Jobs whose folders are asked for before what is in the first is fetched …"""

FIRST = 500
"""… and of how many entries of each, for what nobody has looked at yet must not become too much."""

STREAMS = {"out": "stdout", "err": "stderr"}
"""What the outputs are called here."""

Place = Callable[[str], str]
"""From a path there to the path here, which begins with the job's id."""


class Fetching:
    """The files of some jobs on their way from one machine. `landing`: where they go; None where nothing is to be, and
    nothing is."""

    def __init__(self, session: Session, landing: Landing | None, watch: Watch) -> None:
        self._tallies: dict[int, Tally] = {}
        self._session = session
        self._landing = landing
        self._watch = watch
        self._pipeline = Pipeline(session)
        self._left_out: set[str] = set()
        self._trees: dict[int, str] = {}

    def run(self, jobs: Sequence[Job], globs: Sequence[str]) -> Mapping[int, Tally]:
        """Fetch them."""
        self._tallies = {job.id: Tally() for job in jobs}
        for start in range(0, len(jobs), MAX_PAGE):
            self._outputs(jobs[start : start + MAX_PAGE])
        if globs:
            self._files(jobs, globs)
        self._pipeline.drain()
        return self._tallies

    def _outputs(self, jobs: Sequence[Job]) -> None:
        """What they have printed; of those that run, so far."""
        reply = self._session.call("outputs", PATIENCE, attempts=[[job.id, max(1, job.attempt)] for job in jobs])
        ended = {job.id for job in jobs if job.end is not None}
        self._trees.update(understood(_trees, reply))
        places: dict[str, str] = {}
        entries: dict[bool, list[Entry]] = {False: [], True: []}
        for number, stream, entry in understood(_listed, reply):
            if number not in self._tallies:
                raise LinkLost(f"what came is about another job: {number!r:.40}")
            places[entry.path] = f"{number}/{STREAMS[stream]}"
            entries[number not in ended].append(entry)
        for is_growing, some in entries.items():
            self._take(str(reply.get("at")), some, places.__getitem__, is_growing)

    def _files(self, jobs: Sequence[Job], globs: Sequence[str]) -> None:
        """What matches in the folders where they ran."""
        asked: deque[tuple[int, Job]] = deque()
        for job in jobs:
            asked.append((self._ask(job, globs, most=FIRST), job))
            if len(asked) > AHEAD:
                self._matching(*asked.popleft(), globs)
        while asked:
            self._matching(*asked.popleft(), globs)

    def _folder(self, job: Job) -> str:
        """Where it ran."""
        cwd = job.spec.cwd or "."
        return cwd if job.spec.snapshot is None else os.path.join(self._trees[job.id], cwd)

    def _ask(self, job: Job, globs: Sequence[str], **where: Any) -> int:
        return self._session.post("tree", b"", PATIENCE, at=self._folder(job), globs=globs, **where)

    def _matching(self, number: int, job: Job, globs: Sequence[str]) -> None:
        tally = self._tallies[job.id]
        useless = set(globs)
        while True:
            try:
                reply = self._session.reply(number, PATIENCE)
            except Refused as error:
                tally.leave_out(f"job {job.id}", str(error))
                return
            entries = understood(_entries, reply)
            useless = {one for one in useless if not any(is_match(one, entry.path) for entry in entries)}
            for path, why in understood(_troubles, reply):
                tally.leave_out(f"job {job.id}: {path}", why)
            self._take(self._folder(job), self._apart(entries, tally), f"{job.id}/{{}}".format)
            after = str(reply.get("next") or "")
            if not after:
                break
            number = self._ask(job, globs, after=after)
        for one in sorted(useless):
            tally.leave_out(f"job {job.id}", f"nothing matches {one}")

    def _apart(self, entries: Sequence[Entry], tally: Tally) -> list[Entry]:
        """Without what would be taken for the outputs."""
        for entry in entries:
            if entry.path in STREAMS.values():
                tally.leave_out(entry.path, "is where the job's own output goes")
        return [entry for entry in entries if entry.path.partition("/")[0] not in STREAMS.values()]

    def _take(self, at: str, entries: Sequence[Entry], place: Place, is_growing: bool = False) -> None:
        """Fetch what of these lacks here."""
        lacking: list[tuple[Entry, int]] = []
        for entry in entries:
            here = entry._replace(path=place(entry.path))
            tally = self._tally(here.path)
            come = self._landing.lay(here) if self._landing is not None else 0
            if entry.kind != FILE:
                tally.made += come is not None
            elif come is None:
                tally.same += 1
            elif self._landing is None or self._landing.dry:
                tally.files += 1
                tally.bytes += entry.size - come
            else:
                lacking.append((entry, self._right(at, entry, here, come)))
        self._watch(0, sum(entry.size - done for entry, done in lacking))
        for batch in batches(pieces(lacking)):
            self._get(at, batch, place, is_growing)

    def _get(self, at: str, batch: Sequence[Piece], place: Place, is_growing: bool) -> None:
        then = partial(self._land, batch, place, is_growing)
        count = sum(piece.length for piece in batch)
        self._pipeline.post("get", then, fetched=count, at=at, pieces=[piece_to(piece) for piece in batch])

    def _land(self, batch: Sequence[Piece], place: Place, is_growing: bool, message: Message) -> None:
        """Put pieces that have come where they belong."""
        start = 0
        for piece, told in zip(batch, understood(lambda body: list(body["found"]), message.body), strict=True):
            here = piece._replace(file=piece.file._replace(path=place(piece.file.path)))
            if isinstance(told, str):
                self._leave_out(here.file.path, told)
                continue
            size, mtime, length = told
            data = message.payload[start : start + length]
            start += length
            is_changed = not is_growing and (size, mtime) != (piece.file.size, piece.file.mtime)
            if is_changed or len(data) != piece.length:
                self._leave_out(here.file.path, "was changed while it was fetched")
            elif here.file.path not in self._left_out and self._landing is not None:
                self._landing.put(here, data)
                self._arrived(here)

    def _arrived(self, piece: Piece) -> None:
        tally = self._tally(piece.file.path)
        tally.bytes += piece.length
        tally.files += piece.is_last
        self._watch(piece.length, 0)

    def _leave_out(self, path: str, why: str) -> None:
        if path not in self._left_out:
            self._left_out.add(path)
            self._tally(path).leave_out(path, why)

    def _right(self, at: str, there: Entry, here: Entry, come: int) -> int:
        """How much of what has come of a file is what it begins with."""
        done = 0
        while done < come and self._landing is not None:
            count = min(BLOCK, come - done)
            number = self._session.post("digest", b"", PATIENCE, at=at, path=there.path, offset=done, count=count)
            ours = self._landing.head(here, done, count)
            if self._digest(number) != ours:
                break
            done += count
        self._tally(here.path).resumed += done
        return done

    def _digest(self, number: int) -> str:
        """What the machine says; nothing, if it cannot read the file, which it will say when that is asked for."""
        try:
            return str(self._session.reply(number, PATIENCE).get("digest"))
        except Refused:
            return ""

    def _tally(self, path: str) -> Tally:
        return self._tallies[int(path.partition("/")[0])]


def _listed(reply: dict[str, Any]) -> list[tuple[int, str, Entry]]:
    return [(int(number), str(stream), entry_from(entry)) for number, stream, entry in reply["found"]]


def _trees(reply: dict[str, Any]) -> dict[int, str]:
    return {int(job): str(path) for job, path in reply["trees"]}


def _entries(reply: dict[str, Any]) -> list[Entry]:
    return [entry_from(one) for one in reply["entries"]]


def _troubles(reply: dict[str, Any]) -> list[tuple[str, str]]:
    return [(str(path), str(why)) for path, why in reply["troubles"]]
