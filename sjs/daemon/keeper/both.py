"""In the keeper of a queue whose jobs Slurm runs: what is run for the manager itself is run here all the same."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from sjs.daemon.ground.starting import Start
from sjs.daemon.keeper.attempts import Attempts
from sjs.daemon.slurm.hands import SlurmHands


class Both:
    """Both hands, as one (`Hands`)."""

    def __init__(self, ours: Attempts, slurm: SlurmHands) -> None:
        self._ours = ours
        self._slurm = slurm

    def start(self, wanted: Start) -> None:
        if wanted.slurm is None:
            self._ours.start(wanted)
        else:
            self._slurm.start(wanted)

    def grant(self, wanted: Sequence[Start]) -> None:
        raise AssertionError("no place becomes free by the end of another job")

    def offer(self, slots: Sequence[int]) -> None:
        raise AssertionError("no place becomes free by the end of another job")

    def take_back(self) -> None:
        self._ours.take_back()

    def withdraw(self, tags: Sequence[str]) -> None:
        self._slurm.withdraw(tags)

    def find(self, wanted: Sequence[Sequence[Any]]) -> None:
        self._slurm.find(wanted)

    def stop(self, graces: Mapping[str, float]) -> None:
        self._ours.stop({tag: grace for tag, grace in graces.items() if not self._slurm.has(tag)})
        self._slurm.stop({tag: grace for tag, grace in graces.items() if self._slurm.has(tag)})

    def signal(self, wanted: Iterable[Tuple[str, int, bool]]) -> None:
        self._slurm.signal(wanted)

    def pause(self, tags: Sequence[str]) -> None:
        self._slurm.pause(tags)

    def resume(self, tags: Sequence[str]) -> None:
        self._slurm.resume(tags)

    def forget(self, tags: List[str]) -> None:
        self._ours.forget(tags)
        self._slurm.forget(tags)

    def attend(self, is_awaited: bool) -> None:
        self._slurm.attend(is_awaited)

    def reaped(self, pid: int, status: int, usage: Any) -> None:
        self._slurm.reaped(pid, status)
        self._ours.reaped(pid, status, usage)

    def settle(self, others: Iterable[int]) -> None:
        self._ours.settle([*others, *self._slurm.children])

    def on_time(self, now: float) -> None:
        self._ours.on_time(now)
        self._slurm.on_time(now)

    def next_time(self) -> Optional[float]:
        times = (self._ours.next_time(), self._slurm.next_time())
        return min((one for one in times if one is not None), default=None)

    def known(self) -> Dict[str, Any]:
        """Of Slurm's, no boot of this machine ends one; nothing is granted."""
        slurm = self._slurm.known()
        return {"boot": slurm["boot"], "attempts": [*self._ours.known()["attempts"], *slurm["attempts"]]}

    def live(self) -> int:
        return self._ours.live() + self._slurm.live()

    def hand_over(self) -> Dict[str, Any]:
        return {**self._ours.hand_over(), "slurm": self._slurm.hand_over()}
