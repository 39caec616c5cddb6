"""In the keeper: whose the orphans are that the kernel gives it, because no other parent of theirs is left."""

from __future__ import annotations

from typing import Collection, Iterable, Optional, Set

from sjs.daemon.ground.notes import note
from sjs.daemon.keeper import ending, tree
from sjs.daemon.keeper.attempt import Attempt


class Orphans:
    """`strangers`: children of ours that are known to be no job's."""

    def __init__(self, strangers: Iterable[int]) -> None:
        self.strangers: Set[int] = set(strangers)

    def attribute(self, known: Collection[int], attempts: Collection[Attempt]) -> None:
        """Give each new one to that of the attempts, which live, that it is a part of; `known` are no orphans."""
        for pid in tree.children():
            if pid in known or pid in self.strangers:
                continue
            found = tree.stat(pid)
            owner = _owner(found, attempts) if found is not None and ending.is_ours(pid) else None
            if owner is not None:
                owner.strays.add(pid)
            elif found is not None:
                self.strangers.add(pid)
                note(f"process {pid} dropped every mark of its job, or became somebody else's; it is let live")


def _owner(process: tree.Process, live: Collection[Attempt]) -> Optional[Attempt]:
    for one in live:
        if process.session == one.session or process.birth in one.seen:
            return one
    marks = tree.settled_environment(process.pid) if process.state not in "ZX" else []
    return next((one for one in live if one.mark in marks), None)
