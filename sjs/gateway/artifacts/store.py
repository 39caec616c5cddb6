"""What every store of artifacts does, and the errors by which it says that it does not.

    errors      Refused      it will not work this way: no bucket, no credentials, not allowed …
                OverLimit    … there is more than may be
                NoArtifact   … there is nothing under this key
                BadRequest   … no key, no range
                Conflict     under this key something else is kept
                NoSpace      the disk is full
                Unreachable  whoever keeps it does not answer, or is too busy: later it may work

A key says whose an artifact is and not what it is called: `JOB/ATTEMPT/UUID`, where the UUID is made of the name. Names
are a job's to choose, and keys stand in paths, URLs, policies and logs; so the name is kept where it is data, in the
records, and all that a store ever sees is letters, digits and hyphens. That the UUID follows from the name lets who
collects again after a crash come to the same keys, so nothing is kept twice and nothing is kept that nobody knows of.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Protocol

from sjs.errors import BadRequest, Conflict, Refused
from sjs.values import dataclass

PIECE = 256 << 10
"""Bytes of one piece of what is read."""

DAY = 86_400.0
"""Seconds after which a put that has not ended counts as one whose process was killed."""

MAX_KEY = 512

_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}"
_KEY = re.compile(rf"{_PART}(?:/{_PART}){{0,7}}")
_OURS = re.compile(r"[A-Za-z0-9_-]{1,64}/[0-9]{1,20}/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OWNER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class OverLimit(Refused):
    code = "over_limit"


class NoArtifact(Refused):
    code = "no_artifact"


@dataclass(frozen=True)
class Stored:
    """What is kept now, whole and durably."""

    size: int
    sha256: str


class Reading(Iterator[bytes], Protocol):
    """Pieces of at most PIECE bytes. Who does not read to the end closes it."""

    def close(self) -> None: ...


class Store(Protocol):
    """For several threads at a time."""

    def check(self) -> None:
        """Say now what would be in the way later."""

    def put(self, key: str, pieces: Iterable[bytes], mime: str, limit: int) -> Stored:
        """Keep what comes, as a whole and durably, or nothing of it. What is there already stays: Conflict, unless it
        is the same. OverLimit for more than so many bytes."""

    def open(self, key: str, start: int = 0, length: int | None = None) -> Reading:
        """What is kept there, from some byte on; so many bytes, or fewer where it ends."""

    def size(self, key: str) -> int: ...

    def delete(self, keys: Iterable[str]) -> None:
        """That nothing is kept there; nothing may have been."""

    def delete_below(self, prefix: str) -> int:
        """Delete all whose keys go on from here with a `/`; how many."""

    def link(self, key: str, name: str, mime: str, seconds: int, disposition: str | None = None) -> str | None:
        """Where anybody can fetch it for so long, as what; None where the store has no door of its own."""

    def tidy(self, now: float) -> int:
        """Remove what puts have left whose processes were killed; of how many."""

    def close(self) -> None: ...


def uuid_of(job: int | str, attempt: int, name: str) -> str:
    """The UUID of an artifact: laid out as one of a name (version 5), of SHA-256, in which nobody finds two alike."""
    digest = hashlib.sha256(f"sjs artifact\0{job}\0{attempt}\0{name}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=5))


def key_of(job: int | str, attempt: int, name: str) -> str:
    """The key of what an attempt has left under a name (`names.cleaned`)."""
    return f"{below(job, attempt)}/{uuid_of(job, attempt, name)}"


def below(job: int | str, attempt: int | None = None) -> str:
    """With what the keys of all of a job begin, or of all of one attempt."""
    if not _OWNER.fullmatch(str(job)):
        raise BadRequest(f"no job for a key: {job!r:.80}")
    return str(job) if attempt is None else f"{job}/{attempt:d}"


def is_key_of(key: str) -> bool:
    """Whether `key_of` may have made it."""
    return bool(_OURS.fullmatch(key))


def checked_key(key: str) -> str:
    """The key, which leads nowhere else."""
    if not _KEY.fullmatch(key) or len(key) > MAX_KEY:
        raise BadRequest(f"no key of an artifact: {key!r:.80}")
    return key


def checked_range(start: int, length: int | None) -> None:
    """BadRequest for no range."""
    if start < 0 or (length is not None and length < 0):
        raise BadRequest(f"no range of bytes: {length} from {start} on")


def over_limit(limit: int) -> OverLimit:
    return OverLimit(f"an artifact has more than the {limit} bytes that one may have")


def past_the_end(key: str, start: int, size: int) -> BadRequest:
    return BadRequest(f"artifact {key} has {size} bytes: none from {start} on")


def no_artifact(key: str) -> NoArtifact:
    return NoArtifact(f"no artifact is kept as {key}")


def conflict(key: str) -> Conflict:
    return Conflict(f"as {key} something else is kept already")


class Measure:
    """What has gone by: how much, its digest."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._digest = hashlib.sha256()
        self.size = 0

    def through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces, each measured; OverLimit as soon as they are too many."""
        for piece in pieces:
            self.size += len(piece)
            if self.size > self._limit:
                raise over_limit(self._limit)
            self._digest.update(piece)
            yield piece

    def stored(self) -> Stored:
        return Stored(self.size, self._digest.hexdigest())


def measured(pieces: Iterable[bytes], limit: int) -> Stored:
    """What they would be, kept."""
    measure = Measure(limit)
    for _ in measure.through(pieces):
        pass
    return measure.stored()
