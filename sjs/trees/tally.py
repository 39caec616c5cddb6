"""What became of a tree."""

from __future__ import annotations

from typing import Callable, List

from sjs.values import dataclass, field

Watch = Callable[[int, int], None]
"""Takes how many bytes have just arrived, and of how many more it is known now that they will."""

MAX_TROUBLES = 20
"""Files of one command whose trouble is told in words."""


@dataclass
class Tally:
    """What became of files that were sent or fetched: those that went, those that were the `same` already, folders and
    links that were `made`, bytes that had come before (`resumed`). `troubles`: why something was left out."""

    files: int = 0
    bytes: int = 0
    same: int = 0
    made: int = 0
    removed: int = 0
    resumed: int = 0
    left_out: int = 0
    troubles: List[str] = field(default_factory=list)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        troubles = [*self.troubles, *other.troubles][:MAX_TROUBLES]
        sums = {name: value + getattr(other, name) for name, value in vars(self).items() if name != "troubles"}
        return Tally(**sums, troubles=troubles)

    def leave_out(self, what: str, why: str) -> None:
        """Go on without something."""
        self.left_out += 1
        if self.left_out <= MAX_TROUBLES:
            self.troubles.append(f"{what}: {why}")
