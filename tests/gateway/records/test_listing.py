"""Some of many jobs: found by looking at few, and each of them once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, insert, select, text

from sjs.gateway.records import listing
from sjs.gateway.records.listing import LOOKED, Found, Sought, Walk, rows, some
from sjs.gateway.records.tables import jobs, metadata

MANY, PART = 100_000, 2_000
"""So many jobs, of which so many are looked at at a time: fifty times as many, as with a million of them."""

OWNERS = ("ann", "bob")
STATES = ("queued", "running", "succeeded", "failed")

MADE = """
INSERT INTO jobs (owner, origin, name, word, body, state, target, spec,
                  attempt, created, reason, detail, wish, kept, version)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
SELECT CASE WHEN i % 10000 = 5 THEN 'bob' ELSE 'ann' END, 'api',
       CASE WHEN i = 1 THEN 'rare' ELSE 'n' || i % 100 END, 'any', '{}',
       CASE WHEN i = 1 THEN 'failed' WHEN i > :many - 10 THEN 'running' ELSE 'succeeded' END,
       CASE WHEN i = 1 THEN 'far' ELSE 'near' END,
       CASE WHEN i = 1 THEN 'odd' END,
       1, 0, '', '', '', '', 1 FROM n
"""

STEP = 1_000
"""Instructions of SQLite's machine that are counted as one."""

FEW = 60 * PART // STEP
"""For one question: a look at a job is some tens of instructions; of all jobs it would be fifty times as many."""


def add(connection: Connection, many: list[dict[str, object]]) -> None:
    usual = {"origin": "api", "word": "any", "body": "{}", "created": 0.0}
    connection.execute(insert(jobs), [{**usual, **one} for one in many])


def test_all_that_is_sought_and_nothing_else_each_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each database, in either direction, however little is looked at at a time."""
    with engine.begin() as connection:
        every: list[dict[str, object]] = [
            {"owner": OWNERS[n % 2], "state": STATES[n % 3], "name": f"n{n % 5}", "target": "ab"[n % 7 == 0]}
            for n in range(60)
        ]
        add(connection, every)
    soughts = [
        Sought(),
        Sought(owner="ann"),
        Sought("ann", ("failed", "queued")),
        Sought(None, ("queued", "running"), target="b"),
        Sought("bob", STATES, "n3", None, "b"),
        Sought(spec="none"),
    ]
    for looked in (LOOKED, 4):
        monkeypatch.setattr(listing, "LOOKED", looked)
        for sought in soughts:
            for up in (False, True):
                with engine.connect() as connection:
                    found = walked(connection, sought, up)
                    assert found == expected(connection, sought, up), (sought, up)


def walked(connection: Connection, sought: Sought, up: bool, limit: int = 7) -> list[int]:
    numbers: list[int] = []
    found = Found((), None)
    while True:
        found = some(connection, sought, Walk(found.stop, up), limit)
        assert len(found.numbers) <= limit
        numbers += found.numbers
        if found.stop is None:
            return numbers


def expected(connection: Connection, sought: Sought, up: bool) -> list[int]:
    found = [
        row.id
        for row in connection.execute(select(jobs).order_by(jobs.c.id if up else jobs.c.id.desc()))
        if all(
            value in (None, ()) or getattr(row, name.replace("states", "state")) in (*[value], *(value or ()))
            for name, value in vars(sought).items()
        )
    ]
    return found


def test_rows_come_in_the_order_that_was_asked_for(engine: Engine) -> None:
    with engine.begin() as connection:
        add(connection, [{"owner": "ann", "state": "queued", "name": f"n{n}"} for n in range(4)])
        numbers = connection.scalars(select(jobs.c.id).order_by(jobs.c.id)).all()
        asked = [numbers[2], 10**9, numbers[0]]
        assert [row.name for row in rows(connection, asked, ("id", "name"))] == ["n2", "n0"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Most are ann's and have succeeded; one in ten thousand is bob's; the oldest has failed, on a machine of its
    own, by a name of its own."""
    path: Path = tmp_path_factory.mktemp("many") / "g.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        metadata.create_all(connection)
        indexes = list(jobs.indexes)
        for one in indexes:
            one.drop(connection)
        connection.execute(
            text(MADE),
            {"many": MANY},
        )
        for one in indexes:
            one.create(connection)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "LOOKED", PART)
        yield engine
    engine.dispose()
    path.unlink()


@pytest.mark.parametrize(
    ("sought", "count", "is_all"),
    [
        (Sought(), 50, False),
        (Sought(owner="ann"), 50, False),
        (Sought(owner="bob"), 10, True),
        (Sought(owner="bob", states=("failed", "running")), 0, True),
        (Sought(owner="ann", states=("failed", "running")), 11, True),
        (Sought(states=("failed",)), 1, True),
        (Sought(states=STATES), 50, False),
        (Sought(name="rare"), 1, True),
        (Sought(name="n7", owner="bob"), 0, True),
        (Sought(spec="odd", states=("failed",)), 1, True),
        (Sought(states=("failed", "running"), target="far"), 1, True),
        (Sought(target="far"), 0, False),
        (Sought(owner="ann", states=("succeeded",), target="far"), 0, False),
    ],
)
def test_few_of_many_are_looked_at(many: Engine, sought: Sought, count: int, is_all: bool) -> None:
    for walk in (Walk(), Walk(MANY + 1), Walk(0, up=True)):
        with many.connect() as connection:
            steps = counted(connection)
            found = some(connection, sought, walk, 50)
            rows(connection, found.numbers)
            assert len(steps) < FEW
            if not walk.up:
                assert (len(found.numbers), found.stop is None) == (count, is_all)


def counted(connection: Connection) -> list[None]:
    """As many as thousands of instructions from now on."""
    steps: list[None] = []
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(lambda: steps.append(None), STEP)
    return steps


@settings(max_examples=20, deadline=None)
@given(st.integers(1, MANY), st.booleans())
def test_from_any_place_on(many: Engine, start: int, up: bool) -> None:
    with many.connect() as connection:
        found = some(connection, Sought(), Walk(start, up), 50)
    step = 1 if up else -1
    wanted = [number for number in range(start + step, start + 51 * step, step) if 1 <= number <= MANY]
    assert list(found.numbers) == wanted
