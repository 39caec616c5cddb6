"""Which rows are shown, in which order, and which one is the best."""

from __future__ import annotations

import math
import random

import pytest

from sjs.core.aims import Aim
from sjs.errors import UsageError
from sjs.results.rows import Row
from sjs.results.table import SPARE, Order, Table, best_line, cell, columns, shown
from tests.results.rows import row

LEAST = Aim("loss")


def numbers(rows: list[Row]) -> list[int]:
    return [one.number for one in rows]


def table_of(order: Order, *rows: Row) -> Table:
    table = Table(order)
    table.add(rows)
    return table


def test_the_best_comes_first_and_what_is_no_result_last() -> None:
    rows = [row(1, math.nan), row(2, 0.5), row(3), row(4, 0.2), row(5, -math.inf), row(6, 0.1, state="failed")]
    table = table_of(Order(LEAST), *rows)
    assert numbers(table.rows) == [4, 2, 6, 1, 3, 5]
    assert table.best == rows[3]
    assert table_of(Order(Aim("loss", most=True)), *rows).best == rows[1]
    assert table_of(Order(LEAST), *rows[:1]).best is table_of(Order(LEAST), rows[5]).best is None
    assert table_of(Order(), *rows).best is table_of(Order(LEAST)).best is None


def test_who_still_runs_may_win() -> None:
    assert table_of(Order(LEAST), row(1, 0.5), row(2, 0.1, state="running")).best == row(2, 0.1, state="running")


def test_rows_are_sorted_by_any_column_and_nothing_comes_last() -> None:
    rows = [row(1, 10, values={"o": "b"}), row(2, 9.5, values={"o": "a"}), row(3), row(4, math.nan, values={"o": "10"})]
    for key, down, wanted in (
        ("loss", False, [2, 1, 3, 4]),
        ("loss", True, [1, 2, 3, 4]),
        ("o", False, [4, 2, 1, 3]),
        ("number", True, [4, 3, 2, 1]),
        ("job", False, [1, 2, 3, 4]),
        ("nothing", False, [1, 2, 3, 4]),
    ):
        assert numbers(table_of(Order(key=key, down=down), *rows).rows) == wanted
    slow = row(5, seconds=1.0)
    assert numbers(table_of(Order(key="time"), row(6, seconds=None), slow, row(7)).rows) == [5, 7, 6]


def test_of_jobs_that_try_the_same_one_is_shown() -> None:
    failed = row(1, 0.1, state="failed", job=1)
    later = row(1, state="failed", job=2, submitted=2.0)
    well = row(1, 0.3, target="other", submitted=0.5)
    queued, running = (row(1, state=state, job=9) for state in ("queued", "running"))
    for tries, wanted in (
        ([failed, later], later),
        ([failed, later, queued], queued),
        ([failed, queued, running], running),
        ([failed, later, running, well], well),
    ):
        for order in (tries, tries[::-1]):
            table = table_of(Order(LEAST), *order)
            assert (table.rows, table.seen) == ([wanted], len(tries))


def test_no_more_rows_are_kept_than_are_wanted() -> None:
    rows = [row(number, number / 7) for number in range(5 * SPARE)]
    random.Random(1).shuffle(rows)
    table = Table(Order(LEAST, key="number", down=True, most=3))
    for one in rows:
        table.add([one])
        assert len(table._rows) <= SPARE + 7
    assert (numbers(table.rows), table.seen) == ([4999, 4998, 4997], 5 * SPARE)
    assert table.best == row(0, 0.0), "which is shown in no line"


def test_columns_are_in_the_order_of_the_sweep_whoever_came_first() -> None:
    rows = [
        row(2, values={"b": "1", "c": "2"}, metrics={"x": 1, "b": 5}),
        row(1, values={"b": "1", "a": "2"}, metrics={"y": 1, "x": 1}),
    ]
    there = columns(rows)
    assert (there.parameters, there.metrics) == (["b", "a", "c"], ["y", "x"])
    assert there == columns(rows[::-1])
    assert (there.chosen(()), there.chosen(["x", "a"])) == (["b", "a", "c", "y", "x"], ["x", "a"])
    assert cell(rows[0], "b") == "1", "what a job prints of its parameters is no result"
    with pytest.raises(UsageError, match="no column 'xx'; did you mean x"):
        columns([row(1, metrics={"x": 1, "loss": 2})]).chosen(["xx"])
    with pytest.raises(UsageError, match="no job has printed anything yet"):
        columns([]).chosen(["loss"])


def test_the_best_in_words() -> None:
    assert best_line(row(3, 0.1125, values={"lr": "0.1", "bs": "8"}), LEAST) == "m:3  lr=0.1 bs=8  loss=0.1125"
    assert best_line(row(3, 0.1, values={}), LEAST) == "m:3  loss=0.1"
    assert [shown(one) for one in (None, 3, 0.1, 1 / 3, 1e-30, math.nan)] == [
        *("-", "3", "0.1", "0.333333", "1e-30", "nan")
    ]
