"""In the manager: how many managers have ended over the start of which job. One that costs too many is set aside.

Kept with the rows, for whoever counts does not live to tell. A job is innocent once it has started.
"""

from __future__ import annotations

import json
from typing import Dict, List, Sequence

from sjs.daemon.queue.store import Store

NAME = "setbacks"

MAX_SETBACKS = 5
"""Managers that may end over the start of a job before it is set aside."""


class Setbacks:
    """The suspects of one queue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Dict[str, int] = json.loads(store.meta(NAME) or "{}")

    @property
    def suspects(self) -> List[int]:
        """The jobs whose start the end of a manager may have come from."""
        return [int(name) for name in self._counts]

    def add(self, job_id: int) -> int:
        """One more manager has ended before this job had started; how many by now."""
        self._counts[str(job_id)] = self._counts.get(str(job_id), 0) + 1
        self._save()
        return self._counts[str(job_id)]

    def clear(self, job_id: int) -> None:
        """It has started, or never will."""
        if self._counts.pop(str(job_id), None) is not None:
            self._save()

    def acquit(self, suspicious: Sequence[str]) -> None:
        """Clear those that have come into other states than these."""
        for job_id in self.suspects:
            if self._store.state(job_id) not in suspicious:
                self.clear(job_id)

    def _save(self) -> None:
        self._store.set_meta(NAME, json.dumps(self._counts))
