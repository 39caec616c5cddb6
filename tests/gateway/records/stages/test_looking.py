"""Some of many items: those that are wanted, in their order, and no more looked at than is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from sjs.gateway.records import tables
from sjs.gateway.records.migrating import migrate
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.owning import owned
from sjs.gateway.records.stages import looking
from sjs.gateway.records.stages.looking import LOOKED, Holder, Which
from sjs.gateway.records.stages.values import CLAIMED, FREE, STUCK

MANY = 200_000
STEP, FEW = 1_000, 1_500
"""Instructions of SQLite's that are counted as one, and how many of those a question takes at the most: one that went
through all items would take ten times as many."""


def item(number: int, **more: Any) -> dict[str, Any]:
    usual = {"pipeline": 1, "stage": 0, "since": 1.0, "state": FREE, "command": "{}", "created": 1.0, "worker": None}
    return {**usual, "number": number, "flagged": False, **more}


def put(connection: Connection, rows: list[dict[str, Any]]) -> None:
    pipeline = {"id": 1, "owner": "ann", "name": "p", "loose": False, "last": 9, "next": 1, "created": 1.0}
    connection.execute(insert(tables.pipelines), [pipeline])
    connection.execute(insert(tables.items), rows)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Half of them flagged, none of these at stage 0 but one; the others at stage 0."""
    engine = engine_of(f"sqlite:///{tmp_path_factory.mktemp('many')}/g.db")
    with owned(engine):
        migrate(engine)
        with engine.begin() as connection:
            one = {"stage": 0, "flagged": True, "state": STUCK}
            rows = [item(n, stage=n % 2, flagged=n % 2 == 1, worker="w" if n == 7 else None) for n in range(MANY)]
            put(connection, [*rows[:-2], item(MANY, **one)])
        yield engine
    engine.dispose()


def counted(connection: Connection) -> list[None]:
    steps: list[None] = []
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(lambda: steps.append(None), STEP)
    return steps


@pytest.mark.parametrize(
    ("which", "count"),
    [
        (Which(), 50),
        (Which(stage=0), 50),
        (Which(stage=0, state=STUCK), 1),
        (Which(stage=0, is_flagged=True), 0),
        (Which(stage=1, is_flagged=False), 0),
        (Which(state=STUCK), 0),
        (Which(is_flagged=True, state=STUCK), 0),
        (Which(worker="w"), 1),
        (Which(worker="w", stage=1), 1),
    ],
)
def test_few_of_many_are_looked_at(many: Engine, which: Which, count: int) -> None:
    with many.connect() as connection:
        steps = counted(connection)
        rows, stop = looking.page(connection, 1, which, -1, 50)
        assert len(rows) == count and len(steps) < FEW
        assert count > 1 or stop is None or stop >= LOOKED - 1


def test_whose_claims_they_are_is_read_in_an_index(many: Engine) -> None:
    with many.connect() as connection:
        steps = counted(connection)
        assert looking.workers(connection, 1, 20_000) == [Holder("w", 1, 1)] and len(steps) < 200


def test_however_little_is_looked_at_all_are_found(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On each database, for whatever is asked, page by page."""
    monkeypatch.setattr(looking, "LOOKED", 7)
    chance = random.Random(3)
    rows = [
        item(
            number,
            stage=chance.randrange(3),
            state=chance.choice([FREE, CLAIMED, STUCK]),
            flagged=chance.random() < 0.3,
            worker=chance.choice(["v", "w", None]),
        )
        for number in range(150)
    ]
    with engine.begin() as connection:
        put(connection, rows)
    with engine.connect() as connection:
        for stage, flagged, worker, state in product(
            (None, 0, 2), (None, True, False), (None, "w"), (None, FREE, STUCK)
        ):
            wanted = {"stage": stage, "flagged": flagged, "worker": worker, "state": state}
            said = [(name, value) for name, value in wanted.items() if value is not None]
            found: list[int] = []
            after: int | None = -1
            while after is not None:
                some, stop = looking.page(connection, 1, Which(stage, flagged, worker, state), after, 12)
                assert stop is None or stop > after
                found += [one.number for one in some]
                after = stop
            assert found == [one["number"] for one in rows if all(one[name] == value for name, value in said)], wanted
        for holder in looking.workers(connection, 1, 1_000):
            his = [one["flagged"] for one in rows if one["worker"] == holder.worker]
            assert holder.worker in ("v", "w") and holder.count == len(his) and holder.late <= sum(his)
