"""Which files of a job are taken as its artifacts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sjs.errors import BadRequest
from sjs.gateway.artifacts import names
from sjs.trees.entries import FILE, FOLDER, LINK, PART, Entry, bytes_of
from sjs.trees.patterns import ALL, below, is_meant, patterns
from sjs.values import dataclass, field

OF_NO_FILE = IS_LINK, IS_OTHER = "a link, and links are not followed", "neither a file nor a folder"
"""Why what is no file is never taken."""

MAX_TOLD = 20
"""Files left out that are told one by one; of others, only their number."""


@dataclass(frozen=True)
class Rules:
    """What is taken: what matches one of `include`, or all, and none of `exclude`; no more than so many files, so many
    bytes of one, so many of all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    most_files: int = 1_000
    most_bytes_each: int = 2 << 30
    most_bytes: int = 10 << 30


@dataclass(frozen=True)
class Taken:
    """A file, and what it is called as an artifact."""

    file: Entry
    name: str


@dataclass
class Choice:
    """`left_out`: why, and how many, in the order in which there was cause to; `told`: the first of them, in a line."""

    taken: list[Taken] = field(default_factory=list)
    bytes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def leave_out(self, path: str, why: str) -> None:
        self.left_out[why] += 1
        if self.left_out.total() <= MAX_TOLD:
            self.told.append(f"{ascii(path)[1:-1] if not path.isprintable() else path:.200}: {why}")

    def words(self) -> list[str]:
        """What was left out, to be read: each file, or, where they are many, how many for each cause."""
        if self.left_out.total() <= MAX_TOLD:
            return self.told
        return [f"{count} {'file' if count == 1 else 'files'}: {why}" for why, count in self.left_out.items()]


def choose(listing: Iterable[Entry], rules: Rules, choice: Choice | None = None) -> Choice:
    """What of a listing is taken, in its order, besides what a choice has already. BadRequest for a rule that is no
    pattern."""
    wanted = patterns(rules.include) if rules.include else ALL
    unwanted = patterns(rules.exclude)
    choice = Choice() if choice is None else choice
    seen: set[str] = set()
    for entry in listing:
        if entry.kind == FOLDER:
            continue
        why = _against(entry)
        if not why and not _is_meant(wanted, entry.path):
            why = "not among what is to be taken"
        if not why and _is_meant(unwanted, entry.path):
            why = "not to be taken"
        why = why or _too_much(entry, choice, rules)
        if why:
            choice.leave_out(entry.path, why)
            continue
        try:
            name = names.cleaned(entry.path)
        except BadRequest as error:
            choice.leave_out(entry.path, error.message)
            continue
        if name in seen:
            choice.leave_out(entry.path, "another file has the same name, once that is made harmless")
            continue
        seen.add(name)
        choice.taken.append(Taken(entry, name))
        choice.bytes += entry.size
    return choice


def _against(entry: Entry) -> str:
    """Why such a file is never taken; nothing, if it may be."""
    if entry.kind == LINK:
        return IS_LINK
    if entry.kind != FILE:
        return IS_OTHER
    if bytes_of(entry.path.rpartition("/")[2]).startswith(PART):
        return "not whole"
    return ""


def _too_much(entry: Entry, choice: Choice, rules: Rules) -> str:
    if entry.size > rules.most_bytes_each:
        return f"larger than the {rules.most_bytes_each} bytes that one may have"
    if len(choice.taken) >= rules.most_files:
        return f"more than the {rules.most_files} that one job may have"
    if choice.bytes + entry.size > rules.most_bytes:
        return f"with it, there would be more than the {rules.most_bytes} bytes that one job may have"
    return ""


def _is_meant(left: frozenset[tuple[str, ...]], path: str) -> bool:
    for part in path.split("/"):
        left = below(left, part)
    return is_meant(left)
