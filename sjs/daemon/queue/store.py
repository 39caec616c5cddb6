"""In the manager: the queue's rows. The only owner of the database.

A turn's changes are one transaction, which `commit` makes durable before anything is answered or started. Ids count
from 0 and are never given twice. No query here looks at more rows than it answers with, but for counts over an index.
"""

from __future__ import annotations

import heapq
import json
from itertools import chain
from operator import itemgetter
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from sjs.compact import to_json
from sjs.core.job import End, Job, Range
from sjs.core.lifecycle import FINAL, LIVE, STATES
from sjs.daemon.queue import rows
from sjs.daemon.queue.move_rows import MoveRows
from sjs.daemon.queue.rows import EVERY_JOB, EndedRow, Filter, LiveRow, NewRow, Ran
from sjs.daemon.queue.sweep_rows import SweepRows
from sjs.daemon.queue.waiting_rows import WaitingRows

LAST = "\U0010ffff"
"""Comes after every other character."""

MAX_REST = 64
"""Keys that go on for longer were not made by a client of ours."""


class Store(MoveRows, SweepRows, WaitingRows):
    """The rows of one queue."""

    def rewind(self, started: int, attempts: Dict[int, int], ceiling: int) -> int:
        """This is an older copy: no job below `started` starts again, and ids go on at `ceiling`. Of how many jobs it
        is not known what became of them; where a keeper has an attempt, it tells."""
        self._begin()
        unsure = self._db.execute(
            "UPDATE jobs SET state = 'running', attempt = attempt + (state != 'starting'), slot = id, due = NULL,"
            " blockers = 0 WHERE state IN ('queued', 'waiting', 'held', 'starting') AND id < ?",
            (started,),
        ).rowcount
        self._db.executemany(
            "UPDATE jobs SET attempt = ? WHERE id = ? AND state = 'running'",
            [(attempt, job) for job, attempt in attempts.items()],
        )
        self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'jobs'")
        self._db.execute("INSERT INTO sqlite_sequence VALUES ('jobs', ?)", (ceiling - 1,))
        counts = dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
        self.set_meta("counts", json.dumps(counts))
        return int(unsure)

    def begin_as(self, kind: str) -> None:
        """Whose hands its jobs are in, for those who only read."""
        if kind and self.meta("kind") != kind:
            self.set_meta("kind", kind)

    def next_id(self) -> int:
        """The id after the highest that was ever given."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
        return 0 if row is None else int(row[0]) + 1

    def add(self, rows: Sequence[NewRow]) -> None:
        """Keep new jobs."""
        self._begin()
        # What none of them has need not be said: it would take as long as the rest.
        said = [at for at, values in enumerate(zip(*rows)) if values.count(None) < len(rows)]
        names = [NewRow._fields[at] for at in said]
        self._db.executemany(
            f"INSERT INTO jobs ({', '.join(names)}) VALUES ({_marks(names)})", map(itemgetter(*said), rows)
        )

    def shape(self, needs: str) -> int:
        """The number of these needs."""
        row = self._db.execute("SELECT id FROM shapes WHERE needs = ?", (needs,)).fetchone()
        if row is None:
            self._write("INSERT INTO shapes (needs) VALUES (?)", needs)
            return self.shape(needs)
        return int(row[0])

    def add_environments(self, bodies: Mapping[str, str]) -> None:
        """Keep environments that many jobs may share, by their digests."""
        for digest, body in bodies.items():
            self._write("INSERT OR IGNORE INTO environments VALUES (?, ?)", digest, body)

    def environment(self, digest: str) -> Optional[str]:
        row = self._db.execute("SELECT body FROM environments WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else str(row[0])

    def has_snapshot(self, digest: str) -> bool:
        """Whether there is a record of a job that has it."""
        return self._db.execute("SELECT 1 FROM jobs WHERE snapshot = ? LIMIT 1", (digest,)).fetchone() is not None

    def submit(self, key: str) -> Optional[Tuple[str, int, int]]:
        """What was submitted under the key before: (digest, first id, how many)."""
        row = self._db.execute("SELECT digest, first, count FROM submits WHERE key = ?", (key,)).fetchone()
        return None if row is None else (str(row[0]), int(row[1]), int(row[2]))

    def submits(self, prefix: str, after: str, limit: int) -> List[Tuple[str, int, int]]:
        """What was submitted under keys that begin so: (rest of the key, first id, how many), after that rest."""
        return self._db.execute(
            "SELECT substr(key, ?), first, count FROM submits"
            " WHERE key > ? AND key < ? AND length(key) <= ? ORDER BY key LIMIT ?",
            (len(prefix) + 1, prefix + after, prefix + LAST, len(prefix) + MAX_REST, limit),
        ).fetchall()

    def remember_submit(self, key: str, digest: str, first: int, count: int, now: float) -> None:
        self._write("INSERT INTO submits VALUES (?, ?, ?, ?, ?)", key, digest, first, count, now)

    def set_state(self, job_id: int, state: str) -> None:
        self._write("UPDATE jobs SET state = ? WHERE id = ?", state, job_id)

    def set_state_of_all(self, ids: Iterable[int], state: str) -> None:
        self._begin()
        self._db.executemany("UPDATE jobs SET state = ? WHERE id = ?", ((state, one) for one in ids))

    def set_states(self, ids: Iterable[int], state: str, reason: str, now: float, detail: str = "") -> None:
        """The same end for many jobs that never ran."""
        self._begin()
        self._db.executemany(
            "UPDATE jobs SET state = ?, reason = ?, ended = ?, detail = ? WHERE id = ?",
            ((state, reason, now, detail or None, one) for one in ids),
        )

    def set_start(self, job_id: int, state: str, attempt: int, slot: int, gpus: Optional[str]) -> None:
        sql = "UPDATE jobs SET state = ?, attempt = ?, slot = ?, gpus = ?, place = NULL WHERE id = ?"
        self._write(sql, state, attempt, slot, gpus, job_id)

    def set_starts(self, state: str, attempts: Iterable[Tuple[int, int]]) -> None:
        """Of many that have no slot: (attempt, job)."""
        self._begin()
        self._db.executemany(f"UPDATE jobs SET state = '{state}', attempt = ?, slot = NULL WHERE id = ?", attempts)

    def set_waiting(self, job_id: int, state: str, attempt: int) -> None:
        """It is in the queue again, after so many attempts, and nothing of the last one is left in its row."""
        self._write(
            "UPDATE jobs SET state = ?, attempt = ?, slot = NULL, pid = NULL, started = NULL, gpus = NULL,"
            " paused = NULL, place = NULL WHERE id = ?",
            *(state, attempt, job_id),
        )

    def set_started(self, job_id: int, state: str, ran: Ran) -> None:
        self._write("UPDATE jobs SET state = ?, pid = ?, started = ?, slot = ? WHERE id = ?", state, *ran, job_id)

    def set_place(self, job_id: int, place: Mapping[str, str]) -> None:
        """Where others run it."""
        self._write("UPDATE jobs SET place = ? WHERE id = ?", to_json(dict(place)), job_id)

    def set_grace(self, job_id: int, grace: float, note: str) -> None:
        """Remember that the end of a running job was asked for, and what was said of it."""
        self._write("UPDATE jobs SET grace = ?, detail = ? WHERE id = ?", grace, note or None, job_id)

    def set_paused(self, job_id: int, still: bool) -> None:
        """Remember that a running job was to stand still, or to go on."""
        self._write("UPDATE jobs SET paused = ? WHERE id = ?", int(still), job_id)

    def set_end(
        self, job_id: int, state: str, end: End, at: float, usage: Dict[str, Any], ran: Optional[Ran] = None
    ) -> None:
        """How it ended; with how it began, where that was not written down yet."""
        detail = end.detail.encode("utf-8", "backslashreplace").decode()  # it may name a path that is no text
        began = "" if ran is None else ", pid = ?, started = ?, slot = ?"
        self._write(
            "UPDATE jobs SET state = ?, reason = ?, exit = ?, signal = ?, detail = ?, ended = ?, usage = ?,"
            f" paused = NULL{began} WHERE id = ?",
            *(
                state,
                end.reason,
                end.exit,
                end.signal,
                detail or None,
                at,
                to_json(usage),
                *(ran or ()),
                job_id,
            ),
        )

    def job(self, job_id: int) -> Optional[Job]:
        """One job."""
        row = self._db.execute(f"SELECT {rows.COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else rows.job(row)

    def queued(self, shape: int, limit: int, last: Optional[Job] = None) -> List[Job]:
        """The first jobs of a shape's queue, or those behind the last one that is known."""
        sql = f"SELECT {rows.QUEUED} FROM jobs INDEXED BY queue WHERE state = 'queued' AND shape = ?"
        order = " ORDER BY priority DESC, id LIMIT ?"
        if last is None:
            found = self._db.execute(f"{sql}{order}", (shape, limit)).fetchall()
        else:
            place = last.spec.priority, last.id
            found = self._db.execute(f"{sql} AND priority = ? AND id > ?{order}", (shape, *place, limit)).fetchall()
            if len(found) < limit:
                lower = (shape, place[0], limit - len(found))
                found += self._db.execute(f"{sql} AND priority < ?{order}", lower).fetchall()
        return [rows.queued(row) for row in found]

    def queued_shapes(self) -> List[int]:
        """The shapes of all queued jobs; one step for each, however many jobs it has."""
        found: List[int] = []
        sql = "SELECT min(shape) FROM jobs INDEXED BY queue WHERE state = 'queued' AND shape > ?"
        shape = self._db.execute(sql, (-1,)).fetchone()[0]
        while shape is not None:
            found.append(int(shape))
            shape = self._db.execute(sql, (shape,)).fetchone()[0]
        return found

    def ids_in(self, states: Sequence[str], wanted: Sequence[Range], limit: int) -> List[Tuple[int, str]]:
        """The first jobs of the ranges that are in one of the states, with that."""
        sql = "SELECT id, state FROM jobs WHERE state = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT ?"
        found: List[Tuple[int, str]] = []
        for low, high in wanted:
            left = limit - len(found)
            each = (self._db.execute(sql, (state, low, high, left)).fetchall() for state in states)
            found += sorted(chain.from_iterable(each))[:left]
        return found

    def ids_of(self, submitter: str, states: Sequence[str], wanted: Sequence[Range], limit: int) -> List[int]:
        """The first of the jobs that he brought which are in the ranges, and in one of the states."""
        sql = "SELECT id FROM jobs WHERE submitter = ? AND state = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT ?"
        each = (self._db.execute(sql, (submitter, state, *span, limit)) for span in wanted for state in states)
        return sorted(int(row[0]) for row in chain.from_iterable(each))[:limit]

    def state(self, job_id: int) -> Optional[str]:
        row = self._db.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return None if row is None else str(row[0])

    def set_retried(self, job_id: int) -> None:
        """Somebody wants it tried anew: the attempts that there were count no more."""
        self._write("UPDATE jobs SET retried = attempt WHERE id = ?", job_id)

    def ended(self, job_id: int) -> Optional[EndedRow]:
        """Whether and when a job ended; None when there is no record of it."""
        sql = f"SELECT CASE WHEN state IN ({_marks(FINAL)}) THEN ended END, attempt, snapshot FROM jobs WHERE id = ?"
        row = self._db.execute(sql, (*FINAL, job_id)).fetchone()
        return None if row is None else EndedRow(*row)

    def oldest(self, states: Sequence[str], limit: int) -> List[int]:
        """The lowest ids of jobs in one of the states."""
        sql = "SELECT id FROM jobs WHERE state = ? ORDER BY id LIMIT ?"
        ids = [int(row[0]) for state in states for row in self._db.execute(sql, (state, limit))]
        return sorted(ids)[:limit]

    def remove(self, ids: Sequence[int]) -> None:
        """Forget these jobs. Their ids are not given again."""
        self._begin()
        for sql in ("DELETE FROM jobs WHERE id = ?", "DELETE FROM attempts WHERE job = ?"):
            self._db.executemany(sql, ((one,) for one in ids))

    def keys(self, after: str, limit: int) -> List[Tuple[str, int, int, float]]:
        """Keys in their order: (key, first id, how many, when)."""
        return self._db.execute(
            "SELECT key, first, count, at FROM submits WHERE key > ? ORDER BY key LIMIT ?", (after, limit)
        ).fetchall()

    def forget_key(self, key: str) -> None:
        self._write("DELETE FROM submits WHERE key = ?", key)

    def has_jobs(self, span: Range) -> bool:
        """Whether there is a record of a job of the range."""
        return self._db.execute("SELECT 1 FROM jobs WHERE id BETWEEN ? AND ? LIMIT 1", span).fetchone() is not None

    def unended(self, span: Range, limit: int) -> List[int]:
        """The first jobs of the range that have not ended."""
        sql = f"SELECT id FROM jobs WHERE id BETWEEN ? AND ? AND state NOT IN ({_marks(FINAL)}) ORDER BY id LIMIT ?"
        return [int(row[0]) for row in self._db.execute(sql, (*span, *FINAL, limit))]

    def queued_before(self, priority: int, job_id: int, limit: int) -> int:
        """How many queued jobs come before this place in the queue; of more, the limit."""
        found = 0
        for shape in self.queued_shapes():
            for where, values in (("priority > ?", (priority,)), ("priority = ? AND id < ?", (priority, job_id))):
                sql = f"SELECT 1 FROM jobs INDEXED BY queue WHERE state = 'queued' AND shape = ? AND {where} LIMIT ?"
                counted = self._db.execute(f"SELECT count(*) FROM ({sql})", (shape, *values, limit - found))
                found += int(counted.fetchone()[0])
        return found

    # Commands that are to be run for jobs

    def add_hooks(self, event: str, jobs: Iterable[int]) -> None:
        """Note that something is to be run for each of these."""
        self._begin()
        self._db.executemany("INSERT INTO hooks (event, job) VALUES (?, ?)", ((event, one) for one in jobs))

    def hooks(self, limit: int) -> List[Tuple[int, str, int]]:
        """What was noted first: (number, event, job)."""
        return self._db.execute("SELECT number, event, job FROM hooks ORDER BY number LIMIT ?", (limit,)).fetchall()

    def drop_hook(self, number: int) -> None:
        """It was run."""
        self._write("DELETE FROM hooks WHERE number = ?", number)

    def drop_hooks_of(self, event: str) -> None:
        """They are to be run no more."""
        self._write("DELETE FROM hooks WHERE event = ?", event)

    # Attempts

    def keep_attempt(self, job_id: int) -> None:
        """Put what the job's row says of its attempt aside, before the next one."""
        self._write(
            f"INSERT OR REPLACE INTO attempts (job, attempt, {rows.ATTEMPT})"
            f" SELECT id, attempt, {rows.ATTEMPT} FROM jobs WHERE id = ?",
            job_id,
        )

    def attempts(self, job_id: int) -> List[Dict[str, Any]]:
        """What was put aside."""
        names = ["attempt", *rows.ATTEMPT.split(", ")]
        found = self._db.execute(f"SELECT {', '.join(names)} FROM attempts WHERE job = ? ORDER BY attempt", (job_id,))
        return [dict(zip(names, row)) for row in found]

    def live(self) -> List[LiveRow]:
        """The jobs that hold a slot."""
        sql = f"SELECT {', '.join(LiveRow._fields)} FROM jobs WHERE state IN ({_marks(LIVE)})"
        return [rows.live(row) for row in self._db.execute(sql, LIVE)]

    def strange_ids(self) -> List[int]:
        """The jobs in states that there are not: they lie between those that there are, in the index."""
        known = sorted(STATES)
        found = list(self._db.execute("SELECT id FROM jobs WHERE state < ?", (known[0],)))
        for gap in zip(known, known[1:]):
            found += self._db.execute("SELECT id FROM jobs WHERE state > ? AND state < ?", gap)
        found += self._db.execute("SELECT id FROM jobs WHERE state > ?", (known[-1],))
        return sorted(int(row[0]) for row in found)

    def count_all(self) -> Dict[str, int]:
        """How many jobs are in each state, by looking at every one."""
        return dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())

    def page(self, span: Range, states: Sequence[str], newest: bool = False, only: Filter = EVERY_JOB) -> Iterator[Job]:
        """Jobs within the range and in one of the states, one by one in order of their ids, up or down."""
        order = "DESC" if newest else "ASC"
        where, values = only.sql()
        if only.sweep is not None:  # its own index goes by state, too
            states = states or STATES
        if not states:
            sql = f"SELECT {rows.COLUMNS} FROM jobs WHERE id BETWEEN ? AND ?{where} ORDER BY id {order}"
            return filter(only.fits, map(rows.job, self._db.execute(sql, (*span, *values))))
        # One query a state: for several at once SQLite would sort all that there are before the first comes.
        index = "INDEXED BY jobs_by_sweep " if only.sweep is not None else ""
        sql = (
            f"SELECT {rows.COLUMNS} FROM jobs {index}WHERE state = ? AND id BETWEEN ? AND ?{where} ORDER BY id {order}"
        )
        each = [self._db.execute(sql, (state, *span, *values)) for state in sorted(set(states))]
        return filter(only.fits, map(rows.job, heapq.merge(*each, key=lambda row: int(row[0]), reverse=newest)))

    def count(self, span: Range, state: str, limit: int = -1) -> int:
        """How many jobs of the range are in the state; of more, the limit."""
        sql = "SELECT 1 FROM jobs WHERE state = ? AND id BETWEEN ? AND ? LIMIT ?"
        return int(self._db.execute(f"SELECT count(*) FROM ({sql})", (state, *span, limit)).fetchone()[0])


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))
