"""The records as whoever makes and revokes tokens has them: beside a gateway that works with them, or before there is
one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from sjs.errors import SjsError
from sjs.gateway import tokens
from sjs.gateway.identity.tokens import is_usable
from sjs.gateway.records.migrating import is_current, migrate
from sjs.gateway.records.opening import WRITES, engine_of, reason, shown
from sjs.gateway.records.owning import Taken, owned

T = TypeVar("T")


class Records:
    """Asked and written at once, by one who has nothing else to do."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, question: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return question(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """What it gives back, once it is durable."""
        with self._engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            return work(connection)


@contextmanager
def reached(database: str) -> Iterator[Records]:
    """The records, of this version; they are made where there are none."""
    engine = engine_of(database)
    try:
        if not _is_there(engine) or not is_current(engine):
            _bring_up_to_date(engine)
        yield Records(engine)
    except DatabaseError as error:
        raise SjsError(f"{shown(engine.url)}: {reason(error)}", "gateway.database says which one is used") from None
    finally:
        engine.dispose()


def usable_tokens(database: str, now: float) -> int:
    """With how many somebody could come. Where there are no records, none are made."""
    engine = engine_of(database)
    engine.dispose()
    if not _is_there(engine):
        return 0
    with reached(database) as records:
        return sum(is_usable(one, now) for one in records.read(tokens.listed))


def _is_there(engine: Engine) -> bool:
    return engine.dialect.name != "sqlite" or os.path.exists(str(engine.url.database))


def _bring_up_to_date(engine: Engine) -> None:
    try:
        with owned(engine):
            migrate(engine)
    except Taken as error:
        if not is_current(engine):
            raise Taken(
                f"{error.message}, and its records are of another version", "stop it, or start it anew"
            ) from None
