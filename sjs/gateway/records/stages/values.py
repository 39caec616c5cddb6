"""What goes through stages: pipelines, items; and what may be wrong with what is asked of them. Times are Unix
seconds."""

from __future__ import annotations

from collections.abc import Sequence

from sjs.errors import BadRequest, Conflict, Refused
from sjs.values import dataclass, field

FLAG, RETURN = "flag", "return"
"""What becomes of an item whose time is over: it stays and is flagged; or its claim is void, and it is free again."""

FREE, CLAIMED, STUCK = "free", "claimed", "stuck"
"""States of an item at its stage: to be had; somebody has it; nobody has it and nobody gets it before it is moved."""

MOST_STAGES = 1_000
MOST_ITEMS = 10_000
"""Items in one request."""
MOST_CLAIMS = 100
"""Items that are claimed at once."""
MOST_COMMAND = 1 << 20
"""Bytes of a command as JSON, and of a result."""
MOST_NUMBER = 2**53 - 1
"""The highest number of an item: the highest that all JSON readers read."""
LONGEST = 316_224_000.0
"""Seconds of a claim, and of a lifetime: ten years."""


class NoPipeline(Refused):
    code = "no_pipeline"


class NoItem(Refused):
    code = "no_item"


class Void(Conflict):
    """The word is of no claim any more: the item may be somebody else's by now."""

    code = "void_claim"


class Changed(Conflict):
    """It is not as who asks has seen it."""

    code = "changed"


class TooManyItems(Refused):
    code = "too_many_items"


Seen = tuple[int, int]
"""Which version of something its client knows: of what was made then."""


@dataclass(frozen=True)
class Stage:
    """`lifetime`: seconds that an item may take there, 0: as long as it takes; `over`: what becomes of it then; it is
    returned `tries` times at most, to the stage `back` if that is said."""

    name: str = ""
    lifetime: float = 0.0
    over: str = RETURN
    tries: int = 5
    back: int | None = None


USUAL = Stage(over=FLAG)
"""What is beyond the last stage of a loose pipeline."""


@dataclass
class Counts:
    """Of the items at a stage."""

    total: int = 0
    claimed: int = 0
    flagged: int = 0


@dataclass
class Pipeline:
    """`last`: the stage that means done; `next`: the number of the next item that comes without one. Of a loose one
    items need no claim: their time runs from when they come to a stage, and they may be beyond the last. `counts`: of
    the stages where anything is, or was."""

    id: int
    owner: str
    name: str
    is_loose: bool
    last: int
    next: int
    created: float
    version: int
    stages: dict[int, Stage] = field(default_factory=dict)
    counts: dict[int, Counts] = field(default_factory=dict)

    @property
    def seen(self) -> Seen:
        """What tells what is said of it from what was before, and from another of the same name."""
        return self.id, self.version

    def at(self, number: int) -> Stage:
        """One of its stages."""
        return self.stages.get(number, USUAL)

    def number_of(self, stage: int | str) -> int:
        """Which one is meant by a number or a name. BadRequest for what is none."""
        highest = MOST_STAGES - 1 if self.is_loose else self.last
        if isinstance(stage, str):
            for number, one in sorted(self.stages.items()):
                if one.name and one.name == stage:
                    return number
        elif 0 <= stage <= highest:
            return stage
        raise BadRequest(f"{self.name} has no stage {stage!r:.100}", f"its stages are 0 to {highest}")


@dataclass
class Item:
    """`since`: when it came to its stage; `tries`: how often it was given back; `word`: of its claim; `due`: when its
    time is over. `command` and `result` are JSON; these and `file` are read where somebody is to see them."""

    pipeline: int
    number: int
    stage: int
    since: float
    state: str = FREE
    is_flagged: bool = False
    tries: int = 0
    worker: str | None = None
    word: str | None = None
    due: float | None = None
    version: int = 1
    created: float = 0.0
    command: str | None = None
    file: str | None = None
    result: str | None = None

    @property
    def seen(self) -> Seen:
        """What tells this from what it was, and from another of the same number."""
        return int(self.created * 1e6), self.version


@dataclass(frozen=True)
class NewItem:
    """`command`: JSON; `number`: its client's, or the next one."""

    command: str
    number: int | None = None
    stage: int | str = 0
    file: str = ""


@dataclass(frozen=True)
class Step:
    """Who did what with an item: from a stage to one, the same perhaps; `word`: of the claim that has ended by this."""

    pipeline: int
    number: int
    time: float
    what: str
    who: str
    stage: int
    target: int
    word: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Added:
    """How many were taken; the first number if they came without; those that were there before, and are as they were.
    `repeated`: all this was so before, under the same key."""

    count: int
    first: int | None = None
    skipped: Sequence[int] = ()
    repeated: bool = False


@dataclass(frozen=True)
class Settled:
    """An item whose claim has ended, or goes on: from which stage, at which it was then. `repeated`: that was so
    before; the same was asked for again."""

    number: int
    stage: int
    target: int
    due: float | None = None
    repeated: bool = False


@dataclass(frozen=True)
class Page:
    """How many of those that were looked at have changed; where to go on, if there are more."""

    count: int
    after: int | None
