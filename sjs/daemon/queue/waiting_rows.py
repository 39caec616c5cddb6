"""In the manager: the part of the store that knows which jobs wait: for others, for a time, for a person."""

from __future__ import annotations

from typing import AbstractSet, Iterable, List, Optional, Sequence, Tuple

from sjs.daemon.queue.database import Database
from sjs.daemon.queue.rows import PendingRow


class WaitingRows(Database):
    """Jobs that are not queued yet, and who is to be told of whose end."""

    def pending(self, job_id: int) -> Optional[PendingRow]:
        row = self._db.execute(f"SELECT {', '.join(PendingRow._fields)} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else PendingRow(*row)

    def free(self, ids: Iterable[int]) -> List[int]:
        """Those of them that wait neither for others nor for a time."""
        sql = "SELECT id FROM jobs WHERE id = ? AND blockers = 0 AND due IS NULL"
        return [job_id for job_id in ids if self._db.execute(sql, (job_id,)).fetchone() is not None]

    def set_pending(self, job_id: int, state: str, due: Optional[float], blockers: int) -> None:
        """It was tried and waits again. What is known of the attempt is kept by itself."""
        self._write(
            "UPDATE jobs SET state = ?, due = ?, blockers = ?, slot = NULL, grace = NULL, pid = NULL, started = NULL,"
            " ended = NULL, reason = NULL, exit = NULL, signal = NULL, detail = NULL, usage = NULL, gpus = NULL,"
            " paused = NULL WHERE id = ?",
            *(state, due, blockers, job_id),
        )

    def set_due(self, job_id: int, due: Optional[float]) -> None:
        self._write("UPDATE jobs SET due = ? WHERE id = ?", due, job_id)

    def due(self, now: float, limit: int) -> List[int]:
        """Waiting jobs whose time has come."""
        found = self._db.execute(
            "SELECT id FROM jobs INDEXED BY dues WHERE state = 'waiting' AND due IS NOT NULL AND due <= ?"
            " ORDER BY due LIMIT ?",
            (now, limit),
        ).fetchall()
        return [int(row[0]) for row in found]

    def next_due(self) -> Optional[float]:
        """When the next waiting job's time comes."""
        sql = "SELECT min(due) FROM jobs INDEXED BY dues WHERE state = 'waiting' AND due IS NOT NULL"
        found = self._db.execute(sql).fetchone()[0]
        return None if found is None else float(found)

    def add_blockings(self, rows: Sequence[Tuple[int, int, str]]) -> None:
        """(parent, child, kind): the child waits for the parent."""
        if rows:
            self._begin()
            self._db.executemany("INSERT OR IGNORE INTO blockings VALUES (?, ?, ?)", rows)

    def has_blockings(self) -> bool:
        return self._db.execute("SELECT 1 FROM blockings LIMIT 1").fetchone() is not None

    def children(self, parent: int, limit: int) -> List[Tuple[int, str]]:
        """Who waits for the job, and for what end of it."""
        return self._db.execute(
            "SELECT child, kind FROM blockings WHERE parent = ? ORDER BY child LIMIT ?", (parent, limit)
        ).fetchall()

    def children_of(self, parent: int, limit: int) -> List[int]:
        """The first jobs that still wait for the job."""
        sql = "SELECT DISTINCT child FROM blockings WHERE parent = ? ORDER BY child LIMIT ?"
        return [int(row[0]) for row in self._db.execute(sql, (parent, limit))]

    def drop_blockings(self, parent: int, children: Sequence[Tuple[int, str]]) -> None:
        if children:
            self._begin()
            self._db.executemany(
                "DELETE FROM blockings WHERE parent = ? AND child = ? AND kind = ?",
                ((parent, child, kind) for child, kind in children),
            )

    def unblock(self, job_id: int) -> None:
        """One of those for whom it waits is done."""
        self._write("UPDATE jobs SET blockers = max(0, blockers - 1) WHERE id = ?", job_id)

    def untold(self) -> List[int]:
        """Jobs that have ended, and whose children may not have been told."""
        return [int(row[0]) for row in self._db.execute("SELECT job FROM untold ORDER BY job")]

    def set_untold(self, old: AbstractSet[int], new: AbstractSet[int]) -> None:
        """It is others now."""
        self._begin()
        self._db.executemany("DELETE FROM untold WHERE job = ?", ((job_id,) for job_id in old - new))
        self._db.executemany("INSERT INTO untold VALUES (?)", ((job_id,) for job_id in new - old))
