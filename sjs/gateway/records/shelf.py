"""Rows of jobs that were asked for lately, in memory: who waits for a job asks again and again, and its row seldom
changes. What is here is true, for nobody else writes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, Row

from sjs.gateway.records import jobs
from sjs.gateway.records.failing import asking

MOST = 20_000


class Shelf:
    """For any number of threads."""

    def __init__(self, engine: Engine, most: int = MOST) -> None:
        self._engine = engine
        self._most = most
        self._rows: OrderedDict[int, Row[Any]] = OrderedDict()
        self._reading: dict[int, object] = {}
        self._lock = threading.Lock()

    def here(self, number: int) -> Row[Any] | None:
        """A row that is in memory."""
        row = self._rows.get(number)
        if row is not None:
            with self._lock:
                if number in self._rows:
                    self._rows.move_to_end(number)
        return row

    def get(self, number: int) -> Row[Any] | None:
        """The row of a job, from the database if it must be."""
        row = self.here(number)
        return self._read(number) if row is None else row

    def forget(self, numbers: Iterable[int]) -> None:
        """These have changed. Whoever just reads one of them may have read what it was before, and does not keep it."""
        with self._lock:
            for number in numbers:
                self._rows.pop(number, None)
                self._reading.pop(number, None)

    def _read(self, number: int) -> Row[Any] | None:
        turn = object()
        with self._lock:
            self._reading[number] = turn
        try:
            with asking(self._engine) as connection:
                row = jobs.get(connection, number)
        except BaseException:
            self._keep(number, turn, None)
            raise
        self._keep(number, turn, row)
        return row

    def _keep(self, number: int, turn: object, row: Row[Any] | None) -> None:
        with self._lock:
            if self._reading.get(number) is not turn:
                return
            del self._reading[number]
            if row is not None:
                self._rows[number] = row
                if len(self._rows) > self._most:
                    self._rows.popitem(last=False)
