"""Job ids as people write them: `5`, `1-3`, `1,4-6`, `last`, `all`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sjs.cli import kinds
from sjs.core.job import Range
from sjs.errors import UnknownJob, UsageError
from sjs.protocols import Target
from sjs.wire import MAX_PAGE


@dataclass(frozen=True)
class Ids:
    """Which jobs are meant: the ranges, and `last` the newest one; or all."""

    ranges: Sequence[Range] = ()
    last: bool = False
    all: bool = False

    def on(self, target: Target) -> list[Range] | None:
        """The ids as this target has them; None means all."""
        if self.all:
            return None
        newest = [newest_id(target)] if self.last else []
        return merged([*self.ranges, *((one, one) for one in newest)])

    def one_on(self, target: Target) -> int:
        """The one id that is meant."""
        return newest_id(target) if self.last else self.ranges[0][0]


def parse(words: Sequence[str]) -> Ids:
    """The ids in what was typed; UsageError when there are none in it."""
    parts = [part for word in words for part in word.split(",")]
    if any(part in ("all", "*") for part in parts):
        return Ids(all=True)
    ranges = [_span(part) for part in parts if part != "last"]
    if len(merged(ranges)) > MAX_PAGE:
        raise UsageError(f"more than {MAX_PAGE} separate ranges of ids", "name fewer at once")
    return Ids(ranges, last="last" in parts)


def parse_one(word: str) -> Ids:
    """The one id in what was typed."""
    ids = parse([word])
    if ids.all or len(ids.ranges) + ids.last != 1 or any(low != high for low, high in ids.ranges):
        raise UsageError(f"'{word}' is more than one job", "give one id, or `last`")
    return ids


def newest_id(target: Target) -> int:
    """The id of the job that came last."""
    for job in target.list(newest=1):
        return job.id
    raise UnknownJob("no job has been handed in yet")


def merged(ranges: Sequence[Range]) -> list[Range]:
    """The same ids in ascending ranges that do not touch."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def text(ranges: Sequence[Range]) -> str:
    """[(1, 1), (4, 6)] -> 1,4-6."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in merged(ranges))


def _span(part: str) -> Range:
    try:
        return kinds.span(part)
    except ValueError as error:
        raise UsageError(str(error), "ids are written 5, 1-3, 1,4-6, last or all") from None
