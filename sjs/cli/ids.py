"""Job ids as people write them: `5`, `1-3`, `1,4-6`, `last`, `all`; of one of several targets, `gpu1:12`; all of
a sweep, by its name; and jobs by their own names, behind an option."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

from sjs import spec_json
from sjs.answers import Filter
from sjs.cli import kinds
from sjs.core.job import Range, ranges
from sjs.errors import BadRequest, UnknownJob, UsageError
from sjs.protocols import Target
from sjs.values import dataclass, field, replace
from sjs.wire import MAX_PAGE


class NoneHere(UnknownJob):
    """None of those jobs is here; some may be elsewhere."""


@dataclass(frozen=True)
class Ids:
    """Which jobs are meant: the ranges, those of `sweeps`, those whose names fit one of `names`, and `last` the newest
    one; or all. `hosts`: and these, of one target each."""

    ranges: Sequence[Range] = ()
    last: bool = False
    all: bool = False
    hosts: Mapping[str, Ids] = field(default_factory=dict)
    sweeps: Sequence[str] = ()
    names: Sequence[str] = ()

    @property
    def is_bound(self) -> bool:
        """Whether all of them are of targets that are named with them."""
        return bool(self.hosts) and not (self.ranges or self.last or self.all or self.sweeps or self.names)

    def on(self, target: Target) -> list[Range] | None:
        """The ids as this target has them; None means all."""
        own = self.hosts.get(target.name, Ids())
        if self.all or own.all:
            return None
        newest = [newest_id(target)] if self.last or own.last else []
        found = [*self.ranges, *own.ranges, *((one, one) for one in newest)]
        sweeps = [*self.sweeps, *own.sweeps]
        for name in sweeps:
            found += [span for part in target.members(name) for span in part.jobs]
        if sweeps and not found:
            raise NoneHere(f"no job of a sweep '{', '.join(sweeps)}'", "`results` names the sweeps that there are")
        for name in self.names:
            called = ranges(job.id for job in target.list(only=Filter(name=name)))
            if not called:
                raise NoneHere(f"no job is called '{name}'")
            found += called
        return merged(found)

    def one_on(self, target: Target) -> int:
        """The one id that is meant: of several jobs of one name, the newest."""
        return (self.on(target) or [])[-1][1]


by_name = click.option(
    "-j", "--job-name", "names", multiple=True, metavar="NAME", help="Those of such a name: lr-3, 'lr-*'."
)
"""The option for names instead of ids."""

one_by_name = click.option(
    "-j", "--job-name", "name", metavar="NAME", help="The newest one of such a name, instead of ID."
)


def parse(words: Sequence[str], names: Sequence[str] = ()) -> Ids:
    """The ids in what was typed; UsageError when there are none in it."""
    parts: dict[str, list[str]] = {"": []}
    for word in words:
        host = ""
        for part in word.split(","):
            name, colon, rest = part.rpartition(":")
            host = name if colon else host
            parts.setdefault(host, []).append(rest)
    plain = replace(_of(parts.pop("")), names=names)
    hosts = {host: _of(rest) for host, rest in parts.items()}
    if any(len(merged([*plain.ranges, *one.ranges])) > MAX_PAGE for one in (Ids(), *hosts.values())):
        raise UsageError(f"more than {MAX_PAGE} separate ranges of ids", "name fewer at once")
    return replace(plain, hosts=hosts)


def _of(parts: Iterable[str]) -> Ids:
    parts = list(parts)
    if any(part in ("all", "*") for part in parts):
        return Ids(all=True)
    sweeps = [part for part in parts if is_sweep(part)]
    numbers = [part for part in parts if part != "last" and part not in sweeps]
    return Ids([_span(part) for part in numbers], last="last" in parts, sweeps=sweeps)


def is_sweep(word: str) -> bool:
    """Whether a sweep may be called so."""
    try:
        return bool(spec_json.sweep_name("sweep", word))
    except BadRequest:
        return False


def parse_one(word: str | None, name: str | None = None) -> Ids:
    """The one id in what was typed, or the one name."""
    if (word is None) == (name is None):
        raise UsageError("which job?", "its id, `last`, or --job-name and its name")
    if word is None:
        return Ids(names=[str(name)])
    ids = parse([word])
    found = [one for one in (ids, *ids.hosts.values()) if one.all or one.last or one.ranges or one.sweeps]
    if any(one.sweeps for one in found):
        raise UsageError(f"'{word}' is no job id", "one job is written 5, or `last`; of one of several targets, gpu1:5")
    if len(found) != 1 or found[0].all or len(found[0].ranges) + found[0].last != 1 or _is_wide(found[0]):
        raise UsageError(f"'{word}' is more than one job", "give one id, or `last`")
    return ids


def _is_wide(ids: Ids) -> bool:
    return any(low != high for low, high in ids.ranges)


def newest_id(target: Target) -> int:
    """The id of the job that came last."""
    for job in target.list(newest=1):
        return job.id
    raise UnknownJob("no job has been handed in yet")


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same ids in ascending ranges that do not touch."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def count(ranges: Iterable[Range]) -> int:
    """How many jobs that are."""
    return sum(high - low + 1 for low, high in ranges)


def text(ranges: Iterable[Range]) -> str:
    """[(1, 1), (4, 6)] -> 1,4-6."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in merged(ranges))


def _span(part: str) -> Range:
    try:
        return kinds.span(part)
    except ValueError as error:
        raise UsageError(
            str(error), "ids are written 5, 1-3, 1,4-6, last or all; a sweep's jobs are its name"
        ) from None
