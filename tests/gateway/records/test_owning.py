"""Whose a database is, when the server that says so has died, or has lost sight of somebody."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, insert, select

from sjs.gateway.records.failing import FAILS
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import Owner, Taken, owned
from sjs.gateway.records.tables import batches
from sjs.gateway.records.writer import Unavailable, Writer
from tests.gateway.databases import SERVERS, Server, mortal
from tests.gateway.records.test_writer import new
from tests.live.machine import DEADLINE

Mortal = tuple[str, Server]


@pytest.fixture(params=sorted(SERVERS))
def there(request: pytest.FixtureRequest) -> Iterator[Mortal]:
    if not SERVERS[request.param]:
        pytest.skip(f"no {request.param} here")
    with mortal(request.param) as found:
        yield found


@pytest.fixture
def engine(there: Mortal) -> Iterator[Engine]:
    found = engine_of(there[0])
    yield found
    found.dispose()


@pytest.fixture
def other(there: Mortal) -> Iterator[Engine]:
    """Of another gateway."""
    found = engine_of(there[0])
    yield found
    found.dispose()


def write(owner: Owner, key: str) -> None:
    with owner.connection() as connection, connection.begin():
        connection.execute(insert(batches).values(key=key, word="any", created=1.0))


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(batches)) or 0)


def is_free(engine: Engine) -> bool:
    try:
        with owned(engine):
            return True
    except Taken:
        return False


def test_it_is_taken_again_with_what_is_written_next(there: Mortal, engine: Engine, other: Engine) -> None:
    """Each time that the server dies; and it is free when its owner has ended."""
    with owned(engine) as owner:
        migrate(engine)
        for number in range(5):
            write(owner, f"{number}")
            assert not is_free(other)
            there[1].kill()
            there[1].start()
            other.dispose()
        write(owner, "last")
        assert (count(engine), is_free(other)) == (6, False)
    assert is_free(other)


def test_one_that_dies_while_somebody_writes_is_not_written_to_by_another_connection(
    there: Mortal, engine: Engine, other: Engine
) -> None:
    with owned(engine) as owner:
        migrate(engine)
        with pytest.raises(FAILS), owner.connection() as connection, connection.begin():
            connection.execute(insert(batches).values(key="a", word="any", created=1.0))
            there[1].kill()
            there[1].start()
            connection.execute(insert(batches).values(key="b", word="any", created=1.0))
        assert count(engine) == 0
        write(owner, "c")
        assert not is_free(other)


def test_who_comes_late_writes_nothing_and_is_told_so_once(there: Mortal, engine: Engine, other: Engine) -> None:
    told: list[Taken] = []
    with owned(engine) as owner:
        migrate(engine)
        writer = Writer(owner, lost=told.append)
        writer(new("before"))
        there[1].kill()
        there[1].start()
        with owned(other) as now:
            late = [writer.put(new(f"late {number}")) for number in range(2)]
            for one in late:
                assert isinstance(error := one.exception(DEADLINE), Unavailable)
                assert error.message.endswith("another gateway works with this database")
            write(now, "now")
        writer.close()  # the other one has gone, too; but what was in memory here may be wrong by now
        with pytest.raises(Unavailable, match="about to end"):
            writer(new("later"))
    assert (len(told), count(engine)) == (1, 2)


def test_who_was_not_there_while_another_one_came_and_went_writes_nothing(
    there: Mortal, engine: Engine, other: Engine
) -> None:
    """What is in memory is true no more, though the database is free again. An owner that nobody came after goes on."""
    told: list[Taken] = []
    with owned(engine) as owner:
        migrate(engine)
        owner.count()
        writer = Writer(owner, lost=told.append)
        writer(new("before"))
        there[1].kill()
        there[1].start()
        writer(new("alone"))
        there[1].kill()
        there[1].start()
        with owned(other) as now:
            now.count()
        late = writer.put(new("late"))
        assert isinstance(error := late.exception(DEADLINE), Unavailable)
        assert error.message.endswith("another gateway has worked with this database meanwhile")
        assert is_free(other)
        writer.close()
    assert (len(told), count(engine)) == (1, 2)


def test_a_line_that_was_cut_and_that_the_server_takes_to_be_there_is_no_other_gateway(
    there: Mortal, engine: Engine, other: Engine
) -> None:
    with owned(engine) as owner:
        migrate(engine)
        write(owner, "before")
        with owner.connection() as connection:
            driver = connection.connection.dbapi_connection
            fd = driver._sock.fileno() if engine.dialect.name == "mysql" else driver.fileno()  # type: ignore[union-attr]
        kept = os.dup(fd)  # the server sees it, and nothing comes of it
        here, there_ = socket.socketpair()
        there_.close()
        os.dup2(here.fileno(), fd)
        here.close()
        assert not is_free(other)
        write(owner, "after")
        assert (count(engine), is_free(other)) == (2, False)
        os.close(kept)
