"""In the manager: how many jobs are in which state. Stored with every commit: to count a million rows takes long."""

from __future__ import annotations

import json
from typing import Dict

from sjs.core.lifecycle import STATES
from sjs.daemon.queue.store import Store

NAME = "counts"


class Counts(Dict[str, int]):
    """The numbers of one queue's jobs, by state."""

    def __init__(self, store: Store) -> None:
        super().__init__(dict.fromkeys(STATES, 0))
        self.update(json.loads(store.meta(NAME) or "{}"))

    def move(self, old: str, new: str, count: int = 1) -> None:
        """So many jobs were in one state and are in another."""
        self[old] -= count
        self[new] += count

    def count_again(self, store: Store) -> None:
        """Look at every row, because what was stored is not to be believed."""
        self.update(dict.fromkeys(STATES, 0))
        self.update(store.count_all())

    def save(self, store: Store) -> None:
        with store.unseen():
            store.set_meta(NAME, json.dumps(self))
