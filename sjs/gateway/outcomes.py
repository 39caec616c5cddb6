"""What came out of a sweep: what each of its jobs tries, how it stands, and the numbers that it has printed.

Numbers are read where they were printed, when somebody asks for them, and kept once their attempt has ended: the next
time, and when the machine is gone, they are here. One question reads for some seconds, and says what it has left.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row as Record

from sjs.core.job import Task
from sjs.core.lifecycle import FINAL, QUEUED, RUNNING
from sjs.core.metrics import Number
from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.records import sweeps
from sjs.gateway.threads import Threads
from sjs.results.rows import ALL, Row, in_words
from sjs.results.table import Columns, Order, Table, columns
from sjs.values import dataclass, field

PATIENCE = 20.0
"""Seconds after which no more outputs are read for one question."""

AT_ONCE = 100
"""Outputs that a machine is asked for at a time, and whose numbers are written down together."""

READERS, READERS_EACH = 16, 4
"""Questions for numbers that are open at a time, in all and to one machine: who asks others waits for none of them."""

MOST_TROUBLES = 20


@dataclass(frozen=True)
class Outcome:
    """`places`: which target has each job, and as which one of its own; `unread`: of how many jobs nobody has read yet
    what they have printed; `troubles`: why of some nobody could."""

    rows: Sequence[Row]
    columns: Columns
    best: Row | None
    places: Mapping[int, tuple[str, int]]
    unread: int
    troubles: Sequence[str]


@dataclass
class Reading:
    """What is known of a sweep's jobs: their rows, and the numbers of each."""

    rows: Sequence[Record[Any]]
    found: dict[int, Mapping[str, Number]]
    unread: int = 0
    troubles: list[str] = field(default_factory=list)


Begun = tuple[Reading, asyncio.Future[Any]]
"""What is known already, and the end of asking for the rest."""


class Outcomes:
    """Who asks is known to be allowed: whoever has a sweep's row may know of its jobs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._readers = Threads(READERS, READERS_EACH)
        self._under_way: dict[int, asyncio.Future[Begun]] = {}

    async def of(
        self, sweep: Record[Any], order: Order, states: Sequence[str] = (), patience: float | None = None
    ) -> Outcome:
        """The table. Of jobs that try the same, the one that counts; `states`: only of those in one of these.
        `patience`: seconds after which it is of what is known by then."""
        begun = self._under_way.get(sweep.id)
        if begun is None:
            begun = self._under_way[sweep.id] = asyncio.ensure_future(self._begin(sweep))
            begun.add_done_callback(lambda done: self._has_begun(sweep.id, done))
        reading, asking = await asyncio.shield(begun)
        await asyncio.wait({asking}, timeout=patience)
        if asking.done():
            asking.result()
        return await asyncio.to_thread(_outcome, reading, order, states, time.time())

    def _has_begun(self, number: int, done: asyncio.Future[Begun]) -> None:
        if done.cancelled() or done.exception():  # those who wait for it have that; perhaps all have gone
            del self._under_way[number]
        else:
            done.result()[1].add_done_callback(lambda asked: self._landed(number, asked))

    def _landed(self, number: int, asked: asyncio.Future[Any]) -> None:
        del self._under_way[number]
        if not asked.cancelled():
            asked.exception()

    async def _begin(self, sweep: Record[Any]) -> Begun:
        """What is known, while what is not is asked for."""
        rows = await self._desk.read(partial(sweeps.tried, span=(sweep.first, sweep.last)))
        found = {row.id: sweeps.numbers(row.found) for row in rows if row.found is not None}
        there: dict[str, list[Record[Any]]] = {}
        for row in sorted(rows, key=lambda row: (row.state not in FINAL, row.id)):  # what is kept comes first
            if row.found is None and row.target is not None and row.attempt and row.state in (RUNNING, *FINAL):
                there.setdefault(row.target, []).append(row)
        reading = Reading(rows, found, sum(map(len, there.values())))
        return reading, asyncio.gather(*(self._read_from(name, some, reading) for name, some in there.items()))

    async def _read_from(self, name: str, rows: Sequence[Record[Any]], reading: Reading) -> None:
        until = time.monotonic() + PATIENCE
        for start in range(0, len(rows), AT_ONCE):
            if start and time.monotonic() > until:
                break
            some = rows[start : start + AT_ONCE]
            try:
                found, troubles = await self._readers.ask(name, partial(self._measured, name, some))
            except SjsError as error:
                reading.troubles.append(f"{name}: {error.message}")
                break
            reading.found |= found
            reading.troubles += troubles
            reading.unread -= len(found)

    def _measured(
        self, name: str, rows: Sequence[Record[Any]]
    ) -> tuple[Mapping[int, Mapping[str, Number]], Sequence[str]]:
        """The numbers of these jobs of a target, and why of others there are none. Those of ends are kept."""
        measured = self._desk.office.measured(name, [(row.number, row.attempt) for row in rows])
        whose = {row.number: row.id for row in rows}
        failed = {number for number, _ in measured.troubles}
        read = [row for row in rows if not failed & {ALL, row.number}]
        found = {row.id: measured.values.get(row.number, {}) for row in read}
        ended = {row.id: (row.attempt, found[row.id]) for row in read if row.state in FINAL}
        if ended:
            self._desk.write(partial(sweeps.keep, new=ended))
        return found, [f"{name}: {in_words(whose.get(number, ALL), why)}" for number, why in measured.troubles]


def _outcome(reading: Reading, order: Order, states: Sequence[str], now: float) -> Outcome:
    table = Table(order)
    wanted = [one for one in reading.rows if not states or one.state in states]
    table.add(_row(one, reading.found.get(one.id, {}), now) for one in wanted)
    rows = table.rows
    places = {one.id: (one.target, one.number) for one in reading.rows if one.target is not None}
    troubles = reading.troubles[:MOST_TROUBLES]
    return Outcome(rows, columns(rows), table.best, places, reading.unread, troubles)


def _row(record: Record[Any], metrics: Mapping[str, Number], now: float) -> Row:
    said = json.loads(record.body)["task"]
    task = Task(said["sweep"], said["number"], tuple(said["values"].items()))
    until = now if record.ended is None else record.ended
    seconds = None if record.begun is None or record.state == QUEUED else max(0.0, until - record.begun)
    place = (record.target or "", record.id, task.number, int(task.setting, 16))
    return Row(*place, record.state, record.created, seconds, said["values"], metrics)
