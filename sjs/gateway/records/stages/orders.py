"""What can be asked for, of items. Each is one value, so that what many ask for at a time is done together."""

from __future__ import annotations

from collections.abc import Sequence

from sjs.gateway.records.stages.values import NewItem, Seen
from sjs.values import dataclass


@dataclass(frozen=True)
class Order:
    """`owner`, `name`: of the pipeline; `who` asks."""

    owner: str
    name: str
    who: str
    now: float


@dataclass(frozen=True)
class Add(Order):
    """All of them, or none. `most`: items that an owner may have; `key`, `digest`: the same under the same key adds
    nothing, where the items have no numbers."""

    new: Sequence[NewItem]
    most: int
    key: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Claim(Order):
    """Up to so many free items at a stage, the lowest numbers first, under one word each. `seconds`: else the lifetime
    of the stage."""

    stage: int | str
    words: Sequence[str]
    seconds: float | None = None


@dataclass(frozen=True)
class Take(Order):
    """The free item with the lowest number, moved at once to the next stage, or to another; nobody has a word for
    it."""

    stage: int | str
    target: int | str | None = None


@dataclass(frozen=True)
class Renew(Order):
    """A claim lasts so much longer, from now."""

    word: str
    seconds: float | None = None


@dataclass(frozen=True)
class Finish(Order):
    """The work at this stage is done: the item goes on to the next one, or to another."""

    word: str
    target: int | str | None = None
    result: str | None = None
    file: str | None = None


@dataclass(frozen=True)
class Release(Order):
    """The item is given back; `is_failed`: for it could not be done, and why."""

    word: str
    is_failed: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Move(Order):
    """An item is put to a stage, perhaps anew to its own, whoever has it: it is free, and not flagged. Without a stage
    only what is said of it is changed. `seen`: only as it was then."""

    number: int
    target: int | str | None = None
    command: str | None = None
    file: str | None = None
    result: str | None = None
    seen: Seen | None = None


@dataclass(frozen=True)
class Unflag(Order):
    """An item is not flagged any more; a stuck one is free again."""

    number: int
    seen: Seen | None = None


@dataclass(frozen=True)
class Requeue(Order):
    """Some of the items at a stage, behind a number, are moved to another stage, or anew to the same."""

    stage: int | str
    target: int | str
    is_flagged: bool = True
    after: int = -1


@dataclass(frozen=True)
class Remove(Order):
    """Some items, behind a number: these ones, or those at a stage, or the flagged ones; all, if nothing is said."""

    numbers: Sequence[int] | None = None
    stage: int | str | None = None
    is_flagged: bool | None = None
    after: int = -1


@dataclass(frozen=True)
class Expire:
    """What is over by now, some of it at a time."""

    now: float
