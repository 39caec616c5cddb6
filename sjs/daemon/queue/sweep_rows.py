"""In the manager: the part of the store that knows which jobs are of which sweep."""

from __future__ import annotations

import heapq
from typing import Dict, List, Optional, Sequence, Tuple

from sjs.daemon.queue.database import Database
from sjs.daemon.queue.rows import SweepRow


class SweepRows(Database):
    """Sweeps, and the jobs of each."""

    def sweeps(self, after: str, limit: int) -> List[SweepRow]:
        """The sweeps of which there ever was a job, in the order of their names."""
        names = self._db.execute(
            "SELECT DISTINCT name FROM sweeps WHERE name > ? ORDER BY name LIMIT ?", (after, limit)
        )
        return [self.sweep(str(name)) for (name,) in names.fetchall()]

    def sweep(self, name: str) -> SweepRow:
        """One of them. Its numbers are kept, so that nothing is counted."""
        counts: Dict[str, int] = dict(
            self._db.execute("SELECT state, jobs FROM sweeps WHERE name = ? AND jobs > 0", (name,)).fetchall()
        )
        return SweepRow(name, counts, self._came(name, list(counts), "min"), self._came(name, list(counts), "max"))

    def _came(self, name: str, states: Sequence[str], which: str) -> Optional[float]:
        """When its first job came of which there is a record, or its last."""
        sql = f"SELECT {which}(id) FROM jobs INDEXED BY jobs_by_sweep WHERE sweep = ? AND state = ?"
        found = [self._db.execute(sql, (name, state)).fetchone()[0] for state in states]
        ids = [job_id for job_id in found if job_id is not None]
        if not ids:
            return None
        job_id = min(ids) if which == "min" else max(ids)
        return float(self._db.execute("SELECT submitted FROM jobs WHERE id = ?", (job_id,)).fetchone()[0])

    def members(self, name: str, states: Sequence[str], after: int, limit: int) -> List[Tuple[int, str]]:
        """The first of its jobs in these states behind an id, each with what it tries."""
        sql = (
            "SELECT id, setting FROM jobs INDEXED BY jobs_by_sweep WHERE sweep = ? AND state = ? AND id > ?"
            " ORDER BY id LIMIT ?"
        )
        each = [self._db.execute(sql, (name, state, after, limit)).fetchall() for state in states]
        return list(heapq.merge(*each))[:limit]
