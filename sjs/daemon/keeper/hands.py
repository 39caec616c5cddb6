"""In the keeper: whose hands jobs are in, and what the keeper asks of them."""

from __future__ import annotations

import selectors
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Protocol, Sequence, Tuple

from sjs.daemon.ground import kind
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.starting import Start
from sjs.daemon.keeper.attempts import Attempts
from sjs.daemon.keeper.grants import Grants

Tell = Callable[[Dict[str, Any]], None]


class Hands(Protocol):
    """What starts, signals and finds attempts."""

    def start(self, wanted: Start) -> None:
        """Start it, unless it was started before: an order that comes twice must not run a job twice."""

    def grant(self, wanted: Sequence[Start]) -> None:
        """These may start in the places of those that end."""

    def offer(self, slots: Sequence[int]) -> None:
        """These places became free before anybody was granted them."""

    def take_back(self) -> None:
        """None of those that were granted may start any more."""

    def withdraw(self, tags: Sequence[str]) -> None:
        """Those of these that have not begun are not to begin; which they are is told."""

    def find(self, wanted: Sequence[Sequence[Any]]) -> None:
        """Look for attempts that a manager meant to start and that are in no record; tell what became of each."""

    def stop(self, graces: Mapping[str, float]) -> None:
        """End whole trees: TERM now, KILL after the grace."""

    def signal(self, wanted: Iterable[Tuple[str, int, bool]]) -> None:
        """To each a signal, for its whole tree or not."""

    def pause(self, tags: Sequence[str]) -> None:
        """Have whole trees stand still."""

    def resume(self, tags: Sequence[str]) -> None:
        """Let them go on."""

    def forget(self, tags: List[str]) -> None:
        """The manager has stored how these ended."""

    def attend(self, is_awaited: bool) -> None:
        """Whether somebody waits for what happens."""

    def reaped(self, pid: int, status: int, usage: Any) -> None:
        """A child of this process has ended."""

    def settle(self, others: Iterable[int]) -> None:
        """Finish the attempts of which nothing is left. `others`: children of this process that are no jobs'."""

    def on_time(self, now: float) -> None:
        """What is due."""

    def next_time(self) -> Optional[float]:
        """When `on_time` is due next, on the monotonic clock."""

    def known(self) -> Dict[str, Any]:
        """Everything, for a manager that has just come."""

    def live(self) -> int:
        """How many have not ended."""

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""


def hands_of(
    where: Places,
    umask: int,
    selector: selectors.BaseSelector,
    tell: Tell,
    grants: Grants,
    record: Optional[Dict[str, Any]] = None,
) -> Hands:
    """Those of this queue. `record`: what an earlier keeper handed over."""
    ours = Attempts(where, umask, selector, tell, grants, record)
    if kind.of(where) != kind.SLURM:
        return ours
    from sjs.daemon.keeper.both import Both  # most keepers have no use for it
    from sjs.daemon.slurm.hands import SlurmHands

    return Both(ours, SlurmHands(where, umask, selector, tell, (record or {}).get("slurm")))
