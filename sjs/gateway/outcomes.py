"""What came out of a sweep: what each of its jobs tries, how it stands, and the numbers that it has printed.

Numbers are read where they were printed, when somebody asks for them, and kept once their attempt has ended: the next
time, and when the machine is gone, they are here. One question reads for some seconds, and says what it has left.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row as Record

from sjs.core.lifecycle import FINAL
from sjs.core.metrics import Number
from sjs.errors import SjsError
from sjs.gateway.desk import Desk
from sjs.gateway.records import sweeps
from sjs.gateway.rounds import Rounds
from sjs.gateway.threads import Threads
from sjs.gateway.trials import Trial, Tried
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

Found = Mapping[int, tuple[int, Mapping[str, Number]]]
"""Of jobs, which attempt of each, and its numbers."""


KEPT = 8
"""Tables that are kept for who asks again."""


@dataclass(frozen=True)
class Outcome:
    """`places`: which target has each job, and as which one of its own; `unread`: of how many jobs nobody has read yet
    what they have printed; `troubles`: why of some nobody could."""

    rows: Sequence[Row]
    columns: Columns
    best: Row | None
    places: Mapping[int, tuple[str, int | None]]
    unread: int
    troubles: Sequence[str]


@dataclass
class Reading:
    """What machines have said of a sweep's jobs: by job, of which attempt, and its numbers; `asking`: until they
    have."""

    found: dict[int, tuple[int, Mapping[str, Number]]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    asking: asyncio.Future[Any] | None = None


class Outcomes:
    """Who asks is known to be allowed: whoever has a sweep's row may know of its jobs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._readers = Threads(READERS, READERS_EACH)
        self._under_way: dict[int, Reading] = {}
        self._rounds = Rounds()
        self._kept: OrderedDict[Any, tuple[Tried, Outcome]] = OrderedDict()

    async def of(
        self, sweep: Record[Any], order: Order, states: Sequence[str] = (), patience: float | None = None
    ) -> Outcome:
        """The table. Of jobs that try the same, the one that counts; `states`: only of those in one of these.
        `patience`: seconds after which it is of what is known by then."""
        return await self.table(sweep, await self.read(sweep, patience), order, states)

    async def read(self, sweep: Record[Any], patience: float | None = None) -> Reading:
        """What its jobs have printed of which that is to be asked, or that of it which comes within so many seconds.
        Who asks while another one does has what he has."""
        reading = self._under_way.get(sweep.id)
        if reading is None:
            tried = await self._tried(sweep)
            reading = self._under_way.get(sweep.id) or self._begun(sweep.id, tried)
        if reading.asking is not None:
            await asyncio.wait({reading.asking}, timeout=patience)
            if reading.asking.done():
                reading.asking.result()
        return reading

    async def table(self, sweep: Record[Any], reading: Reading, order: Order, states: Sequence[str] = ()) -> Outcome:
        """The table of that, and of all that is known besides."""
        known = self.known(sweep, order, states)
        if known is not None:
            return known
        tried = await self._tried(sweep)
        found = await asyncio.to_thread(_outcome, tried, reading, order, states, time.time())
        if not tried.unread:
            self._kept[sweep.id, order, tuple(states)] = (tried, found)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def known(self, sweep: Record[Any], order: Order, states: Sequence[str] = ()) -> Outcome | None:
        """The table, if it is at hand and nothing has changed since: the same object, as long as that is so."""
        tried, found = self._kept.get((sweep.id, order, tuple(states)), (None, None))
        return found if tried is not None and tried is self._desk.trials.here((sweep.first, sweep.last)) else None

    async def _tried(self, sweep: Record[Any]) -> Tried:
        span = (sweep.first, sweep.last)
        known = self._desk.trials.here(span)
        if known is None:
            known = await self._rounds.join(span, lambda: asyncio.to_thread(self._desk.trials.get, span))
        return known

    def _begun(self, number: int, tried: Tried) -> Reading:
        """What is not known is asked for, if there is any."""
        reading = Reading()
        there: dict[str, list[Trial]] = {}
        for one in sorted(tried.unread, key=_comes_last):
            there.setdefault(one.row.target, []).append(one)
        if there:
            reading.asking = asyncio.gather(*(self._read_from(name, some, reading) for name, some in there.items()))
            self._under_way[number] = reading
            reading.asking.add_done_callback(lambda asked: self._landed(number, asked))
        return reading

    def _landed(self, number: int, asked: asyncio.Future[Any]) -> None:
        del self._under_way[number]
        if not asked.cancelled():
            asked.exception()  # those who wait for it have that; perhaps all have gone

    async def _read_from(self, name: str, tried: Sequence[Trial], reading: Reading) -> None:
        until = time.monotonic() + PATIENCE
        for start in range(0, len(tried), AT_ONCE):
            if start and time.monotonic() > until:
                break
            some = tried[start : start + AT_ONCE]
            try:
                found, troubles = await self._readers.ask(name, partial(self._measured, name, some))
            except SjsError as error:
                reading.troubles.append(f"{name}: {error.message}")
                break
            reading.found |= found
            reading.troubles += troubles

    def _measured(self, name: str, tried: Sequence[Trial]) -> tuple[Found, Sequence[str]]:
        """The numbers of these jobs of a target, and why of others there are none. Those of ends are kept."""
        there = [(one.number, one) for one in tried if one.number is not None]
        measured = self._desk.office.measured(name, [(number, one.attempt) for number, one in there])
        whose = {number: one.row.job for number, one in there}
        failed = {number for number, _ in measured.troubles}
        read = [(number, one) for number, one in there if not failed & {ALL, number}]
        found = {one.row.job: (one.attempt, measured.values.get(number, {})) for number, one in read}
        ended = {one.row.job: found[one.row.job] for _, one in read if one.row.state in FINAL}
        if ended:
            self._desk.write(partial(sweeps.keep, new=ended))
        return found, [f"{name}: {in_words(whose.get(number, ALL), why)}" for number, why in measured.troubles]


def _comes_last(one: Trial) -> tuple[bool, int]:
    """What is kept comes first."""
    return one.row.state not in FINAL, one.row.job


def _outcome(tried: Tried, reading: Reading, order: Order, states: Sequence[str], now: float) -> Outcome:
    table = Table(order)
    table.add(_row(one, reading.found, now) for one in tried.trials if not states or one.row.state in states)
    rows = table.rows
    places = {one.row.job: (one.row.target, one.number) for one in tried.trials if one.row.target}
    unread = sum(one.row.job not in reading.found for one in tried.unread)
    return Outcome(rows, columns(rows), table.best, places, unread, reading.troubles[:MOST_TROUBLES])


def _row(one: Trial, found: Found, now: float) -> Row:
    """As it is now: it may run, and have been read a moment ago."""
    row = one.row
    attempt, metrics = found.get(row.job, _NOTHING)
    if not one.is_read and attempt == one.attempt:
        row = row._replace(metrics=metrics)
    if row.seconds is None and one.begun is not None:
        row = row._replace(seconds=max(0.0, now - one.begun))
    return row


_NOTHING: tuple[int, Mapping[str, Number]] = (0, {})
