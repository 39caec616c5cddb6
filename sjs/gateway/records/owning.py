"""That a database is ours alone: by a lock beside SQLite's file, or one that a server gives to a connection.

The connection that has a server's lock is the one that writes. So whoever has lost the lock has lost what he could
write with, too, and takes the lock again before he writes anything. Owners are counted in the database: by that he sees
whether somebody has had it meanwhile, who may have gone again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from secrets import token_hex
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, insert, select, text, update
from sqlalchemy.exc import DatabaseError, NoSuchModuleError

from sjs.errors import SjsError
from sjs.gateway.records.opening import WRITES, reason, shown
from sjs.gateway.records.tables import owners
from sjs.values import dataclass

PATIENCE = 10
"""Seconds for a server to end a session of ours that it took to be alive."""

_NAME = "CONCAT('sjs-gateway', DATABASE())"
_NUMBER = 0x736A7367
"""What a lock of the database's own is called: MariaDB has names for them, PostgreSQL numbers."""


class Taken(SjsError):
    """Another gateway has the database, or has had it."""


class Owner(Protocol):
    """Whose the database is."""

    def count(self) -> None:
        """Be counted, once the tables are there and before anything is read that is relied on."""

    def connection(self) -> AbstractContextManager[Connection]:
        """To write with, for one thread at a time. Taken where another gateway has the database meanwhile, or has had
        it since this one was counted."""


class Pooled:
    """Of what cannot be lost."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def count(self) -> None:
        """Nobody can have come between."""

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(**{WRITES: True}) as connection:
            yield connection


@contextmanager
def owned(engine: Engine) -> Iterator[Owner]:
    """Be the one gateway that works with this database, for as long as this lasts; it ends with the process."""
    try:
        if engine.dialect.name == "sqlite":
            with _file_lock(str(engine.url.database)):
                yield Pooled(engine)
        else:
            lock = _ServerLock(engine, _KINDS[engine.dialect.name])
            try:
                lock.take()
                yield lock
            finally:
                lock.drop()
    except (DatabaseError, NoSuchModuleError) as error:
        raise SjsError(f"{shown(engine.url)}: {reason(error)}", "gateway.database says which one is used") from None


@contextmanager
def _file_lock(path: str) -> Iterator[None]:
    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    for name in (path, f"{path}.lock"):  # SQLite gives its other files the mode of this one
        os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(path) from None
        yield
    finally:
        os.close(lock)


@dataclass(frozen=True)
class _Kind:
    """What a server is asked. `myself`: who this session is, by more than its number, for numbers begin anew when a
    server does: since when it is, or by a lock with a name that was drawn for it (`mark`); `alive`: whether it takes
    that one to be there; `end`: to end it; `take`: the lock, once that has ended."""

    prepare: str
    myself: str
    alive: str
    end: str
    take: str


_KINDS: Mapping[str, _Kind] = {
    "postgresql": _Kind(
        "SELECT 1",
        "SELECT pid AS id, backend_start AS since FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        "SELECT pid FROM pg_stat_activity WHERE pid = :id AND backend_start = :since",
        f"SELECT pg_terminate_backend(:id, {PATIENCE * 1000})",
        f"SELECT pg_try_advisory_lock({_NUMBER})",
    ),
    "mysql": _Kind(
        "SET SESSION wait_timeout = 31536000",  # else it is hung up on after a quiet night
        "SELECT CONNECTION_ID() AS id, GET_LOCK(:mark, 0) AS marked",
        "SELECT IS_USED_LOCK(:mark)",
        "KILL CONNECTION :id",
        f"SELECT GET_LOCK({_NAME}, :patience)",
    ),
}


_NEWEST = select(owners.c.number)


class _ServerLock:
    """A lock that the server gives to a connection, and takes back when that is gone."""

    def __init__(self, engine: Engine, kind: _Kind) -> None:
        self._engine = engine
        self._kind = kind
        self._connection: Connection | None = None
        self._mark = f"sjs-gateway-{token_hex(16)}"
        self._myself: Mapping[str, Any] | None = None
        self._number: int | None = None

    def count(self) -> None:
        with self.connection() as connection, connection.begin():
            number = connection.scalar(_NEWEST)
            told = insert(owners).values(number=1) if number is None else update(owners).values(number=number + 1)
            connection.execute(told)
        self._number = 1 + (number or 0)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        connection = self._connection
        yield connection if connection is not None and self._is_there(connection) else self._taken_again()

    def _taken_again(self) -> Connection:
        connection = self.take()
        try:
            self._check_count(connection)
        except BaseException:
            self.drop()  # nobody gets it unchecked
            raise
        return connection

    def _check_count(self, connection: Connection) -> None:
        if self._number is None:
            return
        newest = connection.scalar(_NEWEST)
        connection.commit()
        if newest != self._number:
            where = shown(self._engine.url)
            raise Taken(f"{where}: another gateway has worked with this database meanwhile", "start this one again")

    def _is_there(self, connection: Connection) -> bool:
        """An invalid one is never asked: it would connect anew, without the lock."""
        if connection.invalidated:
            return False
        dialect = self._engine.dialect
        try:
            return dialect.do_ping(connection.connection.dbapi_connection)  # type: ignore[arg-type]
        except dialect.loaded_dbapi.Error:
            return False

    def take(self) -> Connection:
        """Have the lock, by a new connection. Taken if somebody else has it."""
        self.drop()
        self._connection = connection = self._engine.connect()
        patience = PATIENCE if self._is_rid_of_myself(connection) else 0
        connection.execute(text(self._kind.prepare))
        got = connection.scalar(text(self._kind.take), {"patience": patience})
        mark = {"mark": self._mark}
        self._myself = {**connection.execute(text(self._kind.myself), mark).mappings().one(), **mark}
        connection.commit()
        if not got:
            self.drop()
            raise _taken(shown(self._engine.url))
        return connection

    def _is_rid_of_myself(self, connection: Connection) -> bool:
        """Whether the server took the session that we have lost to be alive, so that it had the lock: a line that was
        cut is not seen at its other end. It has ended that now."""
        if self._myself is None or connection.scalar(text(self._kind.alive), self._myself) is None:
            return False
        connection.execute(text(self._kind.end), {"id": self._myself["id"]})
        return True

    def drop(self) -> None:
        """Be it no more: the pool does not get what has the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if not connection.invalidated:
                connection.invalidate()
            connection.close()


def _taken(where: str) -> Taken:
    return Taken(f"{where}: another gateway works with this database", "stop that one, or use another database")
