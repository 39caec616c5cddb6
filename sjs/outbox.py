"""Jobs for `any` on their way: what goes to whom is on disk before the first byte leaves.

One file for each command, locked by its process for as long as that lives. It has a line for

    {"sjs": 1, "key": K, …}                                 the command
    {"to": NAME, "start": N, "jobs": […]}                   its jobs from the Nth on: for NAME, under the key K/N-LAST
    {"moved": [N, …], "to": [[start, count, NAME], …]}      shares that NAME does not have and will not take
    {"taken": [N, first id]}, {"refused": N}                a share that is settled
    {"tried": time, "why": TEXT}                            somebody tried to finish this, and could not

The file gets its name once the plan is whole and durable; until then nothing was sent, and it counts for nothing. What
says `moved` is durable before anything is sent again. The rest need not be: to ask again by key does no harm.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO

from sjs import spec_json, wire
from sjs.answers import Accepted
from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.plans import Head, Plan, Share
from sjs.promises import Promises, sync_folder

VERSION = 1
_UNFINISHED = "new-"


class Entry(Plan):
    """One command's file. Left as a context, it is gone if everything in it is settled."""

    def __init__(self, path: str, log: BinaryIO, head: Head) -> None:
        super().__init__(head)
        self._path = path
        self.tried: tuple[float, str] = (0.0, "")
        self._log = log
        self._texts: BinaryIO | None = None

    def __enter__(self) -> Entry:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        if not self.pending or self._texts is None:
            os.unlink(self.path)
        if self._texts is not None:
            self._texts.close()
        self._log.close()

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    def add(self, target: str, start: int, specs: Sequence[Spec], again: bool = False) -> None:
        place = self._log.tell()
        self.pending[start] = Share(target, start, len(specs), again, place)
        self._write({"to": target, "start": start, "jobs": [spec_json.to_wire(spec) for spec in specs]})

    def seal(self) -> None:
        self._sync()
        folder, name = os.path.split(self.path)
        path = os.path.join(folder, name.removeprefix(_UNFINISHED))
        os.rename(self.path, path)
        self._path = path
        sync_folder(folder)
        self.open_texts()

    def open_texts(self) -> None:
        """Be ready for `jobs`."""
        self._texts = os.fdopen(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), "rb")
        self.is_planned = True

    def jobs(self, share: Share) -> list[Spec]:
        assert self._texts is not None, "the plan is not whole yet"
        self._texts.seek(share.place)
        bodies = json.loads(self._texts.readline())["jobs"]
        return [spec_json.from_wire(body) for body in bodies[share.skip : share.skip + share.count]]

    def take(self, share: Share, accepted: Accepted) -> None:
        self._note({"taken": [share.start, accepted.first]})

    def refuse(self, share: Share, error: SjsError) -> None:
        """Its sender knows."""
        self._note({"refused": share.start})

    def move(self, shares: Iterable[Share], pieces: Sequence[tuple[int, int, str]]) -> list[Share]:
        self._note({"moved": [share.start for share in shares], "to": pieces})
        self._sync()
        return [self.pending[start] for start, _, _ in pieces]

    def try_later(self, why: str) -> None:
        self._note({"tried": time.time(), "why": why})

    def read(self, line: bytes, place: int) -> None:
        """Take in a line of the file."""
        body = json.loads(line)
        if "jobs" in body:
            share = Share(str(body["to"]), int(body["start"]), len(body["jobs"]), True, place)
            self.pending[share.start] = share
        else:
            self._follow(body, again=True)

    def _follow(self, body: Mapping[str, Any], again: bool) -> None:
        """What a line says has happened."""
        if "taken" in body:
            start, first = body["taken"]
            self.taken.append((self.pending.pop(start), first))
        elif "refused" in body:
            del self.pending[body["refused"]]
        elif "moved" in body:
            self._moved(body["moved"], body["to"], again)
        elif "tried" in body:
            self.tried = (float(body["tried"]), str(body["why"]))

    def _note(self, body: Mapping[str, Any]) -> None:
        self._write(body)
        self._log.flush()
        self._follow(body, again=False)

    def _write(self, body: Mapping[str, Any]) -> None:
        self._log.write(wire.encode(dict(body)))

    def _sync(self) -> None:
        self._log.flush()
        os.fdatasync(self._log.fileno())


class Outbox(Promises):
    """The folder of these files."""

    def begin(self, head: Head) -> Entry:
        """A new file, as yet without a plan."""
        path, log = self.new(_UNFINISHED)
        said = {"sjs": VERSION, **vars(head)}
        for name, usual in (("envs", {}), ("via", "any")):
            if said[name] == usual:
                del said[name]  # so that an earlier version can finish it
        log.write(wire.encode(said))
        return Entry(path, log, head)

    def key(self, path: str) -> str:
        """The key of a command that lives; nothing where its file has gone, or says nothing yet."""
        try:
            with open(path, "rb") as lines:
                return str(json.loads(lines.readline())["key"])
        except (FileNotFoundError, ValueError, KeyError):
            return ""

    def take_over(self, path: str) -> Entry | None:
        """The file of a command that is no more; None when it lives, or had not sent anything."""
        log = self.locked(path)
        if log is None:
            return None
        if os.path.basename(path).startswith(_UNFINISHED):
            os.unlink(path)
            log.close()
            return None
        try:
            return _read(path, log)
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            log.close()
            raise SjsError(f"{path} cannot be understood ({error!r:.80})", f"rm {path}") from None


def _read(path: str, log: BinaryIO) -> Entry:
    with open(path, "rb") as lines:
        body = json.loads(lines.readline())
        if body.pop("sjs") != VERSION:
            raise ValueError("another version's")
        entry = Entry(path, log, Head(**body))
        place = lines.tell()
        while (line := lines.readline()).endswith(b"\n"):
            entry.read(line, place)
            place = lines.tell()
    if line:  # half of one: its writer was cut short
        log.truncate(place)
    entry.open_texts()
    return entry
