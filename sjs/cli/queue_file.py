"""A queue in a file: a JSON object a line, a job's record or an environment that jobs after it begin with. Streamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, BinaryIO

from sjs import spec_json, wire
from sjs.compact import to_json
from sjs.core.job import Job, Range, Spec, ranges
from sjs.core.lifecycle import HELD, PENDING, STATES
from sjs.errors import BadRequest, UsageError
from sjs.values import dataclass, field

After = tuple[tuple[str, tuple[Range, ...]], ...]

ENVIRONMENT, VARIABLES = "environment", "variables"


def job_line(job: Job, after: After) -> str:
    """A job's record, with what it still waits for, as a line."""
    record = wire.job_to_wire(Job(**{**vars(job), "spec": job.spec.but(after=after)}))
    return to_json({name: value for name, value in record.items() if value is not None})


def environment_line(digest: str, variables: Mapping[str, str]) -> str:
    """An environment as a line."""
    return to_json({ENVIRONMENT: digest, VARIABLES: dict(variables)})


@dataclass(frozen=True)
class Entry:
    """A job of the file that is to be handed in; it still has its old id, and those of the jobs it waits for."""

    id: int
    spec: Spec


@dataclass
class Contents:
    """What a file holds. `key`: a name for exactly this; `states`: how many of its jobs are in which; `lonely`: those
    that wait for others that are not to be handed in."""

    key: str = ""
    states: Counter[str] = field(default_factory=Counter)
    lonely: list[int] = field(default_factory=list)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many are to be handed in."""
        return sum(self.states[state] for state in PENDING)


class QueueFile:
    """A file that was read through once: what is wrong in it is known before anything is sent."""

    def __init__(self, path: str) -> None:
        self._name = "stdin" if path == "-" else path
        self._path = path
        self._stack = ExitStack()
        self.contents = Contents()

    def __enter__(self) -> QueueFile:
        with self._stack:  # closes what was opened, unless all went well
            if self._path == "-":
                copy = self._stack.enter_context(tempfile.NamedTemporaryFile(prefix="sjs-"))
                shutil.copyfileobj(sys.stdin.buffer, copy)
                copy.flush()
                self._path = copy.name
            self.contents = self._read_through()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def entries(self) -> Iterator[Entry]:
        """The jobs that are to be handed in."""
        with self._opened() as source:
            for _, body in self._bodies(source):
                if body.get("state") in PENDING:
                    yield _entry(body)

    def _read_through(self) -> Contents:
        found = Contents()
        digest = hashlib.sha256()
        numbers = Renumbering()
        last = -1
        with self._opened() as source:
            for where, body in self._bodies(source, digest.update):
                try:
                    if ENVIRONMENT in body:
                        name = spec_json.digest(ENVIRONMENT, body[ENVIRONMENT])
                        found.environments[name] = dict(spec_json.env(VARIABLES, body.get(VARIABLES)))
                        continue
                    last = self._check(body, last, found)
                except BadRequest as error:
                    raise UsageError(f"{where}: {error.message}", error.hint) from None
                found.states[body["state"]] += 1
                if body["state"] in PENDING:
                    entry = _entry(body)
                    if numbers.after(entry.spec.after)[1]:
                        found.lonely.append(entry.id)
                    numbers.add([entry.id], 0)
        found.key = f"import-{digest.hexdigest()[:32]}"
        return found

    def _check(self, body: dict[str, Any], last: int, found: Contents) -> int:
        """Refuse here what every manager would refuse; the job's id."""
        number = wire.whole(body, "id", 0, wire.MAX_ID)
        if number <= last:
            raise BadRequest(
                f"job {number} comes after job {last}", "a file holds the jobs of one queue, in their order"
            )
        if body.get("state") not in STATES:
            raise BadRequest(f"'state' must be one of {', '.join(STATES)}")
        spec = spec_json.from_wire(body)
        if spec.env_base and spec.env_base not in found.environments:
            raise BadRequest(f"job {number} begins with an environment that is not in the lines before it")
        return number

    def _bodies(self, source: BinaryIO, hear: Any = None) -> Iterator[tuple[str, dict[str, Any]]]:
        number = 0
        while line := source.readline(wire.MAX_LINE + 1):
            number += 1
            where = f"{self._name}:{number}"
            if hear is not None:
                hear(line)
            if len(line) > wire.MAX_LINE:
                raise UsageError(f"{where}: longer than {wire.MAX_LINE >> 20} MiB, which no job is")
            if line.strip():
                try:
                    yield where, wire.decode(line)
                except BadRequest as error:
                    raise UsageError(f"{where}: {error.message}", "export writes what import reads") from None

    def _opened(self) -> BinaryIO:
        try:
            return open(self._path, "rb")
        except OSError as error:
            raise UsageError(f"{self._name}: {error.strerror}") from None


class Renumbering:
    """Which new ids jobs got instead of their old ones."""

    def __init__(self) -> None:
        self._old = array("q")
        self._new = array("q")

    def add(self, old: Sequence[int], first: int) -> None:
        """These, in ascending order, are numbered from `first` on."""
        self._old.extend(old)
        self._new.extend(range(first, first + len(old)))

    def after(self, wanted: After, here: Sequence[int] = ()) -> tuple[After, bool]:
        """For whom a job waits, in new ids, or counted back where they are of the same request (`here`: old ids of
        those before it); and whether somebody of them is not known."""
        found: list[tuple[str, tuple[Range, ...]]] = []
        is_lonely = False
        for kind, spans in wanted:
            back: set[int] = set()
            known: set[int] = set()
            for low, high in spans:
                near = range(bisect_left(here, low), bisect_left(here, high + 1))
                far = range(bisect_left(self._old, low), bisect_left(self._old, high + 1))
                back.update(index - len(here) for index in near)
                known.update(self._new[index] for index in far)
                is_lonely = is_lonely or len(near) + len(far) < high - low + 1
            if back or known:
                found.append((kind, (*ranges(sorted(back)), *ranges(sorted(known)))))
        return tuple(found), is_lonely


def _entry(body: dict[str, Any]) -> Entry:
    """A waiting job as it is to be handed in: in the state in which it was."""
    spec = spec_json.from_wire(body)
    return Entry(body["id"], spec.but(hold=body["state"] == HELD, at=body.get("due") or spec.at))


def is_open_to_others(stream: Any) -> bool:
    """Whether it is a file that others can read."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # it is no file at all
        return False
    return bool(mode & 0o100000 and mode & 0o044)
