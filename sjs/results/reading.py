"""What jobs have printed in numbers, of targets on whose machines nobody could read it for us: line by line, here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sjs.core.metrics import Last, Lines, Measured, Number, Reader, reader
from sjs.errors import Refused, UnknownJob
from sjs.protocols import Target

LAST = 10_000
"""Lines of each output that are read, at its end."""


def measured(target: Target, jobs: Iterable[int], pattern: str | None = None) -> Measured:
    """The last value of each metric that the jobs have printed."""
    read = reader(pattern)
    found: dict[int, Mapping[str, Number]] = {}
    troubles: list[tuple[int, str]] = []
    for job in jobs:
        try:
            values = _values(target, job, read)
        except UnknownJob:  # it has been cleaned away meanwhile
            continue
        except Refused as error:
            troubles.append((job, error.message))
            continue
        if values:
            found[job] = values
    return Measured(found, troubles)


def _values(target: Target, job: int, read: Reader) -> Mapping[str, Number]:
    """Of both outputs; what it printed on stdout counts more."""
    last = Last()
    for stream in ("err", "out"):
        lines = Lines()
        for piece in target.read(job, (stream,), lines=LAST):
            for line in lines.feed(piece.data):
                last.take(read(line))
        for line in lines.rest():
            last.take(read(line))
    return last.values
