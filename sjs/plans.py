"""Who gets which jobs of one command, and how far that has come: what is written down before the first byte leaves, so
that whoever comes after a crash can go on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sjs.answers import Accepted
from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.values import dataclass, field


@dataclass(frozen=True)
class Share:
    """Some jobs of a command, counted from `start`, that are for one target. `again`: it may have them already."""

    target: str
    start: int
    count: int
    again: bool = False
    place: int = 0
    """Where in the file the line with their texts begins, …"""

    skip: int = 0
    """… and how many jobs of that line come before them."""

    @property
    def part(self) -> str:
        """What stands behind the command's key in the key of this share."""
        return f"{self.start}-{self.start + self.count - 1}"


@dataclass(frozen=True)
class Head:
    """What there is to know of a command to finish it: its key, and how the targets were configured then."""

    key: str
    if_free: bool
    config: str
    managers: Mapping[str, Any]
    at: float
    envs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The environment that its jobs begin with, by the digest that they have of it."""

    via: str = "any"
    """The word for several targets that was typed."""


class Plan(ABC):
    """The plan of one command. It counts for nothing, and nothing is sent, before it is sealed. What says that shares
    go to others is durable before anything is sent again; the rest need not be: to ask again by key does no harm."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.pending: dict[int, Share] = {}
        self.taken: list[tuple[Share, int]] = []
        self.is_planned = False
        """Whether it is whole, so that it will be carried out."""

    @property
    @abstractmethod
    def path(self) -> str:
        """Where it stands, for people."""

    @abstractmethod
    def add(self, target: str, start: int, specs: Sequence[Spec], again: bool = False) -> None:
        """Plan a share."""

    @abstractmethod
    def seal(self) -> None:
        """Make the plan durable: from now on it will be carried out, whatever becomes of this process."""

    @abstractmethod
    def jobs(self, share: Share) -> list[Spec]:
        """The jobs of a share."""

    @abstractmethod
    def take(self, share: Share, accepted: Accepted) -> None:
        """Its target has taken the share."""

    @abstractmethod
    def refuse(self, share: Share, error: SjsError) -> None:
        """Nobody takes the share."""

    @abstractmethod
    def move(self, shares: Iterable[Share], pieces: Sequence[tuple[int, int, str]]) -> list[Share]:
        """Give shares, whole or in pieces (start, count, target), to others; durable on return."""

    @abstractmethod
    def try_later(self, why: str) -> None:
        """It cannot be finished now."""

    def _moved(self, starts: Iterable[int], pieces: Iterable[tuple[int, int, str]], again: bool) -> None:
        sources = [self.pending.pop(start) for start in starts]
        for start, count, name in pieces:
            one = next(one for one in sources if one.start <= start < one.start + one.count)
            self.pending[start] = Share(name, start, count, again, one.place, one.skip + start - one.start)
