"""The one thread that writes: whatever came while it was at the disk goes into one transaction, so that many who write
at the same time wait for one disk access, and not for one each."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from sjs.errors import SjsError
from sjs.gateway.records.events import Changes, begin
from sjs.gateway.records.opening import WRITES, reason

T = TypeVar("T")

LOG = logging.getLogger("sjs.gateway")

Work = Callable[[Connection], T]
"""What is to be written. It may be called again, when another work of its transaction has gone wrong; so it does
nothing but to write, and to give back what it knows then."""

MOST = 500
"""Works in one transaction."""


class Unavailable(SjsError):
    """The database does not answer, or is full. What was to be written may have been, or not."""

    code = "unavailable"


class _Order(Generic[T]):
    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # who waits for it may go, and it is written all the same

    def run(self, connection: Connection) -> Callable[[], None]:
        """Do the work; what is to be said of it once it is durable."""
        value = self.work(connection)
        return lambda: self.future.set_result(value)


class Writer:
    """Takes works from any thread. `after` hears what has become durable, before whoever asked for it does."""

    def __init__(self, engine: Engine, after: Callable[[Changes], None] = lambda changes: None) -> None:
        self._engine = engine
        self._after = after
        self._orders: deque[_Order[Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="sjs records", daemon=True)
        self._thread.start()

    def put(self, work: Work[T]) -> Future[T]:
        """Have it done; its value, once that is durable."""
        order = _Order(work)
        with self._changed:
            if self._closed:
                raise Unavailable("the gateway is about to end")
            self._orders.append(order)
            self._changed.notify()
        return order.future

    def __call__(self, work: Work[T]) -> T:
        """The same, and wait for it."""
        return self.put(work).result()

    def close(self) -> None:
        """Do what was asked so far, and no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        while orders := self._next():
            told = self._written(orders)
            if told is None:  # one of them is at fault
                told = [one for order in orders for one in self._written_alone(order)]
            for one in told:
                one()

    def _next(self) -> list[_Order[Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._closed)
            return [self._orders.popleft() for _ in range(min(MOST, len(self._orders)))]

    def _written(self, orders: list[_Order[Any]]) -> list[Callable[[], None]] | None:
        """One transaction; nothing where it came to none, and each is to have one of its own."""
        if len(orders) == 1:
            return self._written_alone(orders[0])
        try:
            return self._transaction(orders)
        except Exception:  # noqa: BLE001 (whoever it is gets it when he is alone)
            return None

    def _written_alone(self, order: _Order[Any]) -> list[Callable[[], None]]:
        try:
            return self._transaction([order])
        except Exception as error:  # noqa: BLE001 (whoever waits for it gets it)
            order.future.set_exception(_told(error))
            return []

    def _transaction(self, orders: list[_Order[Any]]) -> list[Callable[[], None]]:
        with self._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            changes = begin(connection)
            told = [order.run(connection) for order in orders]
        return [lambda: self._hear(changes), *told]

    def _hear(self, changes: Changes) -> None:
        try:
            self._after(changes)
        except Exception:
            LOG.exception("what has become durable could not be told")


def _told(error: Exception) -> Exception:
    if isinstance(error, (OperationalError, InterfaceError)):
        return Unavailable(f"the database: {reason(error)}", "it is not known whether this was written; ask again")
    return error
