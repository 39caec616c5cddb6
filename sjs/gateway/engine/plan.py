"""The plan of a batch: who gets which of its jobs, kept in the records, so that any gateway that opens them goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Engine, delete, insert, select

from sjs import spec_json
from sjs.answers import Accepted
from sjs.core.job import End, Spec
from sjs.errors import SjsError
from sjs.gateway.records import jobs
from sjs.gateway.records.tables import shares
from sjs.gateway.records.writer import Writer
from sjs.plans import Head, Plan, Share


class BatchPlan(Plan):
    """Unlike a command's, it says of each job where it went, for the records are asked of each."""

    def __init__(self, head: Head, batch: jobs.Batch, engine: Engine, write: Writer) -> None:
        super().__init__(head)
        self._batch = batch.id
        self._engine = engine
        self._write = write
        with engine.connect() as connection:
            found = connection.execute(select(shares).where(shares.c.batch == batch.id).order_by(shares.c.start)).all()
        for _, start, count, target in found:
            self.pending[start] = Share(target, start, count, again=True)
        self.is_planned = bool(found)

    @property
    def path(self) -> str:
        return f"batch {self._batch}"

    def add(self, target: str, start: int, specs: Sequence[Spec], again: bool = False) -> None:
        self.pending[start] = Share(target, start, len(specs), again)

    def seal(self) -> None:
        self._write(lambda connection: _add(connection, self._batch, self.pending.values()))
        self.is_planned = True

    def jobs(self, share: Share) -> list[Spec]:
        with self._engine.connect() as connection:
            found = jobs.bodies(connection, self._batch, share.start, share.start + share.count)
        return specs(found)

    def take(self, share: Share, accepted: Accepted) -> None:
        numbers = [number for low, high in accepted.ranges for number in range(low, high + 1)]
        self._write(lambda connection: jobs.taken_there(connection, self._batch, share.start, share.target, numbers))
        del self.pending[share.start]
        self.taken.append((share, accepted.first))

    def refuse(self, share: Share, error: SjsError) -> None:
        end = End("refused", detail=str(error))
        now = time.time()
        self._write(lambda connection: jobs.refuse_share(connection, self._batch, share.start, share.count, end, now))
        del self.pending[share.start]

    def move(self, shares: Iterable[Share], pieces: Sequence[tuple[int, int, str]]) -> list[Share]:
        starts = [share.start for share in shares]
        self._moved(starts, pieces, again=False)
        new = [self.pending[start] for start, _, _ in pieces]
        self._write(lambda connection: _replace(connection, self._batch, starts, new))
        return new

    def try_later(self, why: str) -> None:
        """Whoever works on the batch does."""


def specs(bodies: Iterable[str]) -> list[Spec]:
    """What stands in rows, understood."""
    return [spec_json.from_wire(json.loads(body)) for body in bodies]


def _add(connection: Connection, batch: int, new: Iterable[Share]) -> None:
    rows = [{"batch": batch, "start": one.start, "count": one.count, "target": one.target} for one in new]
    if rows:
        connection.execute(insert(shares), rows)


def _replace(connection: Connection, batch: int, starts: Sequence[int], new: Iterable[Share]) -> None:
    connection.execute(delete(shares).where(shares.c.batch == batch, shares.c.start.in_(starts)))
    _add(connection, batch, new)
