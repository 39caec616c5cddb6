"""The database: found by its URL, opened, brought up to date, and ours alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from sjs.errors import ConfigError, SjsError, UsageError
from sjs.extras import how_to_get

WRITES = "sjs_writes"
"""The execution option of the one connection that does."""

LOCK = "sjs-gateway"
LOCK_NUMBER = 0x736A7367
"""What a lock of the database's own is called: MariaDB has names for them, PostgreSQL numbers."""

DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "mariadb": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


class Taken(SjsError):
    """Another gateway has the database."""


def engine_of(url: str) -> Engine:
    """What opens connections to this database. Nothing is opened yet."""
    known = _known(url)
    if known.get_backend_name() == "sqlite":
        return _sqlite(known)
    patient = {"connect_timeout": 10}
    try:
        return create_engine(
            known, pool_pre_ping=True, pool_recycle=1800, isolation_level="READ COMMITTED", connect_args=patient
        )
    except ModuleNotFoundError as error:
        extra = "mariadb" if known.get_backend_name() == "mysql" else "postgresql"
        raise UsageError(f"gateway.database: {error.name} is not here", how_to_get(extra)) from None


def _known(url: str) -> URL:
    try:
        found = make_url(url)
        if found.drivername not in DRIVERS:
            raise ConfigError(
                f"gateway.database: '{found.drivername}' is no database that is known",
                "sqlite:///PATH, mariadb://USER@HOST/NAME or postgresql://USER@HOST/NAME",
            )
        return found.set(drivername=DRIVERS[found.drivername])
    except (ArgumentError, ValueError):
        raise ConfigError(
            "gateway.database: is no URL of a database", "for example sqlite:////var/lib/sjs/g.db"
        ) from None


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError("gateway.database: SQLite needs a file", "sqlite:///PATH")
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def prepared(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not where the driver thinks best
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def owned(engine: Engine) -> Iterator[None]:
    """Be the one gateway that works with this database, for as long as this lasts; it ends with the process."""
    try:
        if engine.dialect.name == "sqlite":
            with _file_lock(str(engine.url.database)):
                yield
        else:
            with _server_lock(engine):
                yield
    except (OperationalError, NoSuchModuleError) as error:
        raise SjsError(f"{_shown(engine.url)}: {reason(error)}", "gateway.database says which one is used") from None


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


@contextmanager
def _server_lock(engine: Engine) -> Iterator[None]:
    """A lock that the server gives to a connection, and takes back when that is gone."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            got = connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": LOCK_NUMBER})
        else:
            connection.execute(text("SET SESSION wait_timeout = 31536000"))  # else it is hung up on after a quiet night
            got = connection.scalar(text("SELECT GET_LOCK(CONCAT(:name, DATABASE()), 0)"), {"name": LOCK})
        if not got:
            raise _taken(_shown(engine.url))
        try:
            yield
        finally:
            connection.invalidate()  # not closed in peace: the server may be another by now, and owes us no answer


def _taken(where: str) -> Taken:
    return Taken(f"{where}: another gateway works with this database", "stop that one, or use another database")


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def reason(error: Exception) -> str:
    """What a driver has to say, in a line."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(said.args[-1] if said.args else said).split())
