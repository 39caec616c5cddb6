"""The one thread that writes: whatever came while it was at the disk goes into one transaction, so that many who write
at the same time wait for one disk access, and not for one each."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import groupby
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from sjs.errors import SjsError
from sjs.gateway.records.events import Changes, begin
from sjs.gateway.records.failing import FAILS, unavailable
from sjs.gateway.records.failing import Unavailable as Unavailable
from sjs.gateway.records.owning import Owner, Taken

A = TypeVar("A")
T = TypeVar("T")

LOG = logging.getLogger("sjs.gateway")

Work = Callable[[Connection], T]
"""What is to be written. It may be called again, when another work of its transaction has gone wrong; so it does
nothing but to write, and to give back what it knows then."""

Bulk = Callable[[Connection, Sequence[A]], "Sequence[T | SjsError]"]
"""Works of one kind that are done together, which is less than each by itself; what became of each. It may be called
again, as they may."""

MOST = 500
"""Works in one transaction."""


class _Order(Generic[A, T]):
    def __init__(self, bulk: Bulk[A, T], one: A) -> None:
        self.bulk = bulk
        self.one = one
        self.future: Future[T] = Future()
        self.future.set_running_or_notify_cancel()  # who waits for it may go, and it is written all the same

    def tell(self, value: T | Exception) -> None:
        """This is what became of it."""
        if isinstance(value, Exception):
            self.future.set_exception(value)
        else:
            self.future.set_result(value)


class Writer:
    """Takes works from any thread. `after` hears what has become durable, before whoever asked for it does, and of
    which jobs nobody knows whether they are others now; `lost`, that the database is another gateway's by now, from
    when on nothing is written. `works` were written so far, in `transactions`."""

    def __init__(
        self,
        owner: Owner,
        after: Callable[[Changes], None] = lambda changes: None,
        lost: Callable[[Taken], None] = lambda taken: None,
    ) -> None:
        self._owner = owner
        self._after = after
        self._lost = lost
        self._taken: Taken | None = None
        self._orders: deque[_Order[Any, Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.works = self.transactions = 0
        self._thread = threading.Thread(target=self._serve, name="sjs records", daemon=True)
        self._thread.start()

    def put(self, work: Work[T]) -> Future[T]:
        """Have it done; its value, once that is durable."""
        return self.put_among(_each, work)

    def put_among(self, bulk: Bulk[A, T], one: A) -> Future[T]:
        """The same, together with others of its kind that have come by then. An error in place of a value is that one's
        own, and undoes nothing."""
        order = _Order(bulk, one)
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
            if not self._is_done(orders):
                for order in orders:
                    self._is_done([order])

    def _give_up(self, taken: Taken) -> None:
        """Write nothing any more."""
        with self._changed:
            is_new, self._closed = not self._closed, True
        if is_new:
            self._lost(taken)

    def _next(self) -> list[_Order[Any, Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._closed)
            return [self._orders.popleft() for _ in range(min(MOST, len(self._orders)))]

    def _is_done(self, orders: list[_Order[Any, Any]]) -> bool:
        """Write them, and tell. False where one of several is at fault: nothing was written, and each is to have a
        transaction of its own. When the database fails that is not so: it may have been written."""
        try:
            values = self._transaction(orders)
        except FAILS as error:
            values = [unavailable(error)] * len(orders)
        except Taken as error:
            self._taken = error
            values = [Unavailable(error.message, "this was not written; ask again")] * len(orders)
        except Exception as error:  # noqa: BLE001 (whoever waits for it gets it)
            if len(orders) > 1:
                return False
            values = [error]
        for order, value in zip(orders, values, strict=True):
            order.tell(value)
        if self._taken is not None:
            self._give_up(self._taken)
        return True

    def _transaction(self, orders: list[_Order[Any, Any]]) -> list[Any]:
        if self._taken is not None:  # whatever was in memory is true no more, though the database may be free again
            raise self._taken
        values: list[Any] = []
        changes = Changes()
        try:
            with self._owner.connection() as connection, connection.begin():
                changes = begin(connection)
                for bulk, alike in groupby(orders, lambda order: order.bulk):
                    values += bulk(connection, [order.one for order in alike])
        except FAILS:
            # They may be others now: nothing that is in memory of them counts.
            self._hear(Changes(jobs=changes.jobs, attended=changes.attended))
            raise
        self.works += len(orders)
        self.transactions += 1
        self._hear(changes)
        return values

    def _hear(self, changes: Changes) -> None:
        try:
            self._after(changes)
        except Exception:
            LOG.exception("what has become durable could not be told")


def _each(connection: Connection, works: Sequence[Work[T]]) -> list[T]:
    return [work(connection) for work in works]
