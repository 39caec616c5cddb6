"""What is said where the database does not do what it is asked for, and is not to blame the question for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from sjs.errors import NotReached
from sjs.gateway.records.opening import reason

FAILS = (OperationalError, InterfaceError)
"""It has gone, or is full, or too busy."""


class Unavailable(NotReached):
    """The database does not answer, or is full. What was to be written may have been, or not."""

    code = "unavailable"


def unavailable(error: Exception) -> Unavailable:
    """One of FAILS, as it is told."""
    return Unavailable(f"the database: {reason(error)}", "it is not known whether this was written; ask again")


@contextmanager
def asking(engine: Engine) -> Iterator[Connection]:
    """A connection for questions."""
    try:
        with engine.connect() as connection:
            yield connection
    except FAILS as error:
        raise unavailable(error) from None
