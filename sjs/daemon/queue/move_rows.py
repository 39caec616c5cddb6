"""In the manager: the part of the store that knows of jobs on their way to another queue."""

from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from sjs.daemon.queue.database import Database
from sjs.daemon.queue.rows import MoveRow

_FIELDS = ", ".join(MoveRow._fields)


class MoveRows(Database):
    """Moves, and the jobs of those that are not settled."""

    def move(self, key: str) -> Optional[MoveRow]:
        """What is known of a move; None where there is none of this key."""
        row = self._db.execute(f"SELECT {_FIELDS} FROM moves WHERE key = ?", (key,)).fetchone()
        return None if row is None else MoveRow(*row)

    def open_moves(self, prefix: str, after: str, limit: int) -> List[MoveRow]:
        """The first moves that are not settled, whose keys begin so."""
        found = self._db.execute(
            f"SELECT {_FIELDS} FROM moves INDEXED BY open_moves WHERE first IS NULL AND key > ? AND key >= ?"
            " AND substr(key, 1, ?) = ? ORDER BY key LIMIT ?",
            (after, prefix, len(prefix), prefix, limit),
        )
        return [MoveRow(*row) for row in found]

    def add_move(self, move: MoveRow, jobs: Sequence[Tuple[int, bool]]) -> None:
        """Note that these jobs, which somebody held or not, are on their way."""
        self._write(f"INSERT INTO moves ({_FIELDS}) VALUES (?, ?, ?, ?, ?)", *move)
        self._db.executemany("INSERT INTO movers VALUES (?, ?, ?)", ((job, move.key, int(held)) for job, held in jobs))

    def movers(self, key: str) -> List[Tuple[int, bool]]:
        """The jobs of a move by their ids, and whether each was held."""
        found = self._db.execute("SELECT job, held FROM movers WHERE key = ? ORDER BY job", (key,))
        return [(int(job), bool(held)) for job, held in found]

    def mover(self, job_id: int) -> Optional[MoveRow]:
        """The move on which this job is."""
        row = self._db.execute("SELECT key FROM movers WHERE job = ?", (job_id,)).fetchone()
        return None if row is None else self.move(str(row[0]))

    def settle_move(self, key: str, first: int) -> None:
        """They have arrived, or stayed (-1)."""
        self._write("UPDATE moves SET first = ? WHERE key = ?", first, key)
        self._db.execute("DELETE FROM movers WHERE key = ?", (key,))

    def forget_moves(self, before: float) -> None:
        """Of moves that were begun so long ago, and are settled, nothing needs to be known any more."""
        self._write("DELETE FROM moves WHERE first IS NOT NULL AND at < ?", before)
