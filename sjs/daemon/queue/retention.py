"""In the manager: how long outputs and records are kept, and what became of those that were not. `cleaner` does it."""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import List, Sequence

from sjs.core.job import Range
from sjs.daemon.queue.store import Store

DAYS = 30
"""For so long outputs are kept where nobody said otherwise."""

KEY_DAYS = 30
"""For at least so long a key is known, even if the records of its jobs are gone."""


class Retention:
    """What is to be kept, and how much is gone. As durable as the turn in which it changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        saved = json.loads(store.meta("retention") or "{}")
        self.keep_days = int(saved.get("keep_days", DAYS))
        """Days for which the output of an ended job is kept; 0 is for ever."""

        self.keep_jobs = int(saved.get("keep_jobs", 0))
        """How many ended jobs keep their records; 0 is all."""

        self.cleaned_to = float(saved.get("cleaned_to", 0.0))
        """Outputs of jobs that ended before this moment may be gone."""

        self.removed = int(saved.get("removed", 0))
        """Ended jobs that have no records any more."""

        self._unwanted: List[Range] = [(low, high) for low, high in saved.get("unwanted", ())]

        self.is_changed = True
        """Whether the cleaner has not looked at it yet."""

    def configure(self, keep_days: int, keep_jobs: int) -> None:
        """Say what is to be kept from now on."""
        self.keep_days, self.keep_jobs = keep_days, keep_jobs
        self.is_changed = True
        self._save()

    def clean_to(self, moment: float) -> None:
        """Note that outputs of jobs that ended before the moment are about to go."""
        if moment > self.cleaned_to:
            self.cleaned_to = moment
            self._save()

    def note_removed(self, count: int) -> None:
        """Note that so many records are gone."""
        self.removed += count
        self._save()

    def give_up(self, jobs: Sequence[Range]) -> None:
        """Somebody wants to see no more of these."""
        self._unwanted += jobs
        self.is_changed = True
        self._save()

    def unwanted(self, count: int) -> List[int]:
        """The first of those that nobody wants to see."""
        return list(islice(chain.from_iterable(range(low, high + 1) for low, high in self._unwanted), count))

    def are_gone(self, count: int, removed: int) -> None:
        """The first of them were looked at, and so many had a record to be removed."""
        while count:
            low, high = self._unwanted[0]
            done = min(count, high - low + 1)
            self._unwanted[:1] = [(low + done, high)] if low + done <= high else []
            count -= done
        self.note_removed(removed)

    def _save(self) -> None:
        names = ("keep_days", "keep_jobs", "cleaned_to", "removed")
        saved = {name: getattr(self, name) for name in names}
        self._store.set_meta("retention", json.dumps({**saved, "unwanted": self._unwanted}))
