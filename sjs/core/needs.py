"""What a job takes of its machine for as long as it runs, what a machine has, and what is left of it.

A GPU is shared by thousandths. A job wants whole ones, or a share of one; a share may be named by memory instead, and
is then as large as its part of the GPU's memory. So there is one number for each GPU, and nothing is promised twice.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Tuple

from sjs.values import dataclass

WHOLE = 1_000
"""A whole GPU."""

Named = Tuple[Tuple[str, int], ...]
Grant = Tuple[Tuple[str, int], ...]
"""GPUs by name, and how many thousandths of each."""


@dataclass(frozen=True)
class Needs:
    """What one job takes. `mem` and `gpu_mem` (on each GPU) are bytes, `gpus` thousandths."""

    slots: int = 1
    cpus: int = 0
    mem: int = 0
    gpus: int = 0
    gpu_mem: int = 0
    named: Named = ()


@dataclass(frozen=True)
class Gpu:
    """One GPU. `mem` is 0 where nobody knows it."""

    name: str
    mem: int = 0
    kind: str = ""


@dataclass(frozen=True)
class Machine:
    """All that the jobs of a queue may take together; `each`: all but the slots is what any one of them may."""

    slots: int
    cpus: int = 0
    mem: int = 0
    gpus: Tuple[Gpu, ...] = ()
    named: Named = ()
    each: bool = False


class Room:
    """What is left of a machine. It goes below zero where more runs than it has, for it may have had more before."""

    def __init__(self, machine: Machine) -> None:
        self._each = machine.each
        self._plain = {"slots": machine.slots, "cpus": machine.cpus, "mem": machine.mem}
        self._named = dict(machine.named)
        self._gpus: Dict[str, int] = {gpu.name: WHOLE for gpu in machine.gpus}
        self._gpu_mem = {gpu.name: gpu.mem for gpu in machine.gpus}

    @property
    def has_slots(self) -> bool:
        """Whether there is one: every job needs that."""
        return self._plain["slots"] > 0

    def take(self, needs: Needs, grant: Grant) -> None:
        """Somebody runs."""
        if self._each:
            needs, grant = Needs(slots=needs.slots), ()
        for kind in self._plain:
            self._plain[kind] -= getattr(needs, kind)
        for name, count in needs.named:
            self._named[name] = self._named.get(name, 0) - count
        for name, share in grant:
            if name in self._gpus:
                self._gpus[name] -= share

    def grant(self, needs: Needs) -> Optional[Grant]:
        """The GPUs that it would get (none for who wants none), if everything fits; None if something is missing."""
        if any(getattr(needs, kind) > max(0, left) for kind, left in self._plain.items()):
            return None
        if any(count > self._named.get(name, 0) for name, count in needs.named):
            return None
        return self._gpus_for(needs)

    def missing(self, needs: Needs) -> List[str]:
        """What it would have to wait for, in words that people use for it."""
        found = [kind for kind, left in self._plain.items() if getattr(needs, kind) > max(0, left)]
        found += [name for name, count in needs.named if count > self._named.get(name, 0)]
        if self._gpus_for(needs) is None:
            found.append("gpus")
        return found

    def left(self, kind: str, needs: Needs) -> int:
        """How much there is of what is missing; of GPUs, thousandths of those that would do."""
        if kind in self._plain:
            return max(0, self._plain[kind])
        if kind != "gpus":
            return max(0, self._named.get(kind, 0))
        fitting = [left for name, left in self._gpus.items() if self._gpu_mem[name] >= needs.gpu_mem]
        return WHOLE * fitting.count(WHOLE) if needs.gpus >= WHOLE else max(fitting, default=0)

    def gpu_left(self, name: str) -> int:
        """How many thousandths of this GPU."""
        return max(0, self._gpus[name])

    def set_aside(self, needs: Needs) -> None:
        """Keep it free for who has waited long enough: of what there is enough, that much; of the rest, all that is
        left, so that what others give back is kept for it."""
        if self._each:
            needs = Needs(slots=needs.slots)
        for kind in self._plain:
            self._plain[kind] -= getattr(needs, kind)
        for name, count in needs.named:
            self._named[name] = self._named.get(name, 0) - count
        grant = self._gpus_for(needs)
        if grant is None:
            self._gpus = dict.fromkeys(self._gpus, 0)
        for name, share in grant or ():
            self._gpus[name] -= share

    def _gpus_for(self, needs: Needs) -> Optional[Grant]:
        if not needs.gpus and not needs.gpu_mem:
            return ()
        if self._each:  # which ones, others say
            is_whole = not (needs.gpus % WHOLE or needs.gpu_mem)
            return () if is_whole and needs.gpus <= WHOLE * len(self._gpus) else None
        if needs.gpus >= WHOLE:
            return self._whole_ones(needs)
        return self._share_of_one(needs)

    def _whole_ones(self, needs: Needs) -> Optional[Grant]:
        count = needs.gpus // WHOLE
        free = [name for name, left in self._gpus.items() if left == WHOLE and self._gpu_mem[name] >= needs.gpu_mem]
        return tuple((name, WHOLE) for name in free[:count]) if len(free) >= count else None

    def _share_of_one(self, needs: Needs) -> Optional[Grant]:
        """On the fullest GPU where it fits, so that whole ones stay whole."""
        fitting = [
            (left, number, name, share)
            for number, (name, left) in enumerate(self._gpus.items())
            for share in [_share(needs, self._gpu_mem[name])]
            if share is not None and share <= left
        ]
        if not fitting:
            return None
        _, _, name, share = min(fitting)
        return ((name, share),)


def _share(needs: Needs, mem: int) -> Optional[int]:
    """How much of a GPU with so much memory it takes; None if this GPU can not do at all."""
    if needs.gpu_mem > mem:
        return None
    by_mem = -(-WHOLE * needs.gpu_mem // mem) if needs.gpu_mem else 0
    return max(needs.gpus, by_mem)


def room(machine: Machine, taken: Iterable[Tuple[Needs, Grant]]) -> Room:
    """What is left beside those who run."""
    left = Room(machine)
    for needs, grant in taken:
        left.take(needs, grant)
    return left


def could_hold(machine: Machine, needs: Needs) -> bool:
    """Whether it fits when nobody else runs."""
    return Room(machine).grant(needs) is not None
