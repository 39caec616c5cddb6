"""In the manager: how long outputs and records are kept, and what became of those that were not. `cleaner` does it."""

from __future__ import annotations

import json

from sjs.daemon.store import Store

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

    def _save(self) -> None:
        names = ("keep_days", "keep_jobs", "cleaned_to", "removed")
        self._store.set_meta("retention", json.dumps({name: getattr(self, name) for name in names}))
