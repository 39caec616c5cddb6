"""The database: found by its URL, opened."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from sjs.errors import ConfigError, UsageError
from sjs.extras import how_to_get

WRITES = "sjs_writes"
"""The execution option of the one connection that does."""

DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "mariadb": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


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


def shown(url: URL) -> str:
    """A URL as people may see it, and as they have written it."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def reason(error: Exception) -> str:
    """What a driver has to say, in a line."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(said.args[-1] if said.args else said).split())
