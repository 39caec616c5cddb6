"""The one who writes: many wait for one disk access, and none for the faults of another."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select
from sqlalchemy.exc import IntegrityError

from sjs.errors import Conflict
from sjs.gateway.records.events import Changes, touch
from sjs.gateway.records.owning import Pooled
from sjs.gateway.records.tables import batches
from sjs.gateway.records.writer import Unavailable, Work, Writer
from tests.live.machine import DEADLINE


def new(key: str) -> Work[Any]:
    return lambda connection: connection.execute(insert(batches).values(key=key, word="any", created=1.0))


def held(write: Writer) -> tuple[threading.Event, Future[None]]:
    """It has something to do until this is set."""
    goes_on = threading.Event()
    begun = threading.Event()

    def work(connection: Connection) -> None:
        begun.set()
        assert goes_on.wait(DEADLINE)

    future = write.put(work)
    assert begun.wait(DEADLINE)
    return goes_on, future


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(batches)) or 0)


def test_what_comes_while_it_writes_is_one_transaction(engine: Engine) -> None:
    commits: list[int] = []
    event.listen(engine, "commit", lambda connection: commits.append(1))
    told: list[int] = []
    write = Writer(Pooled(engine), lambda changes: told.append(count(engine)))
    goes_on, _ = held(write)
    futures = [write.put(new(f"k{number}")) for number in range(100)]
    goes_on.set()
    assert wait(futures, DEADLINE).not_done == set()
    write.close()
    assert (len(commits), told) == (2, [0, 100])


def test_one_that_is_at_fault_takes_no_other_with_it(engine: Engine) -> None:
    write = Writer(Pooled(engine))
    goes_on, _ = held(write)
    futures = [write.put(new(key)) for key in ("a", "b", "a", "c")]
    goes_on.set()
    wait(futures, DEADLINE)
    write.close()
    assert [type(future.exception()) for future in futures] == [type(None), type(None), IntegrityError, type(None)]
    assert count(engine) == 3


def test_what_is_of_a_kind_is_done_together(engine: Engine) -> None:
    """In the order in which it came; what is refused to one undoes nothing of the others."""
    seen: list[list[str]] = []

    def add(connection: Connection, keys: Sequence[str]) -> list[str | Conflict]:
        seen.append(list(keys))
        connection.execute(insert(batches), [{"key": key, "word": "any", "created": 1.0} for key in keys])
        return [Conflict("no") if key == "c" else key.upper() for key in keys]

    write = Writer(Pooled(engine))
    goes_on, _ = held(write)
    futures = [write.put_among(add, key) for key in "abc"]
    other = write.put(new("x"))
    futures.append(write.put_among(add, "d"))
    goes_on.set()
    wait([*futures, other], DEADLINE)
    write.close()
    assert seen == [["a", "b", "c"], ["d"]]
    assert [future.result() for future in futures if not future.exception()] == ["A", "B", "D"]
    assert count(engine) == 5


def test_what_may_have_been_written_is_not_written_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost before the answer to a commit has come."""
    commit, lost = engine.dialect.do_commit, engine.dialect.loaded_dbapi.OperationalError("lost")

    def commits(connection: Any) -> None:
        commit(connection)
        raise lost

    told: list[Changes] = []
    write = Writer(Pooled(engine), told.append)
    goes_on, _ = held(write)
    futures = [write.put(new("a")), write.put(new("b")), write.put(lambda connection: touch(connection, [7]))]
    with monkeypatch.context() as patch:
        patch.setattr(engine.dialect, "do_commit", commits)
        goes_on.set()
        wait(futures, DEADLINE)
    write.close()
    assert [type(future.exception()) for future in futures] == [Unavailable] * 3
    assert count(engine) == 2
    assert told[-1] == Changes(jobs={7}), "what is in memory of it may be wrong"


def test_what_was_asked_before_it_closes_is_done_and_no_more(engine: Engine) -> None:
    write = Writer(Pooled(engine))
    goes_on, _ = held(write)
    future = write.put(new("a"))
    closing = threading.Thread(target=write.close)
    closing.start()
    goes_on.set()
    closing.join(DEADLINE)
    assert future.done() and count(engine) == 1
    with pytest.raises(Unavailable):
        write(new("b"))


def test_a_database_that_has_gone_is_said_and_is_there_again_later(engine: Engine) -> None:
    """As after a restart of its server: connections that were open are no more."""
    write = Writer(Pooled(engine))
    write(new("a"))

    def lost(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.close()
        connection.execute(select(batches))

    with pytest.raises(Exception):  # noqa: B017 (each driver has its own for it)
        write(lost)
    write(new("b"))
    write.close()
    assert count(engine) == 2
