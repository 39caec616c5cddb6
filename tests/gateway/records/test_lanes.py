"""What lanes ask of the records, of which many wait at targets."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from sjs.gateway.records import jobs, tables

ROW = {"owner": "ann", "origin": "api", "body": "{}", "created": 1.0, "state": "queued"}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_lane_looks_at_no_job_that_has_a_place(engine: Engine) -> None:
    """As SQLite says how it goes about it."""
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda _, __, text, given, *more: asked.append((text, given)))
    with engine.begin() as connection:
        jobs.form_batch(connection, "any", 1_000, 1.0, "k")
        jobs.has_more(connection, "any")
        jobs.words(connection)
        plans = [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)]
            for text, given in asked.copy()
            if "FROM jobs" in text
        ]
    assert len(plans) == 3
    assert all(any("ix_jobs_batch" in line for line in plan) for plan in plans), plans


def test_a_word_has_more_until_all_have_a_place(engine: Engine) -> None:
    def more() -> list[bool]:
        with engine.connect() as connection:
            return [jobs.has_more(connection, word) for word in ("any", "gpu")]

    assert more() == [False, False]
    with engine.begin() as connection:
        connection.execute(
            insert(tables.jobs),
            [{**ROW, "word": "any", "ended": None}, {**ROW, "word": "gpu", "state": "cancelled", "ended": 1.0}],
        )
    assert more() == [True, False]
    with engine.begin() as connection:
        assert [jobs.form_batch(connection, word, 10, 1.0, word) for word in ("any", "gpu")] == [1, 0]
    assert more() == [True, False]
    with engine.begin() as connection:
        (batch,) = jobs.open_batches(connection, "any")
        jobs.taken_there(connection, batch.id, 0, "a", [7])
        jobs.settle_batch(connection, batch.id)
    assert more() == [False, False]
