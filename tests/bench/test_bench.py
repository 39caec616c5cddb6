"""The bench itself: what it makes of figures, and that it goes on when a row fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.bench import page, peers
from tests.bench.__main__ import run
from tests.bench.figures import MISSED, REACHED, Effort, Figure, Found, Goal, Lacking, Row, best_of, in_turns, part
from tests.bench.profile import sort
from tests.bench.rate import Spent, queue
from tests.live.machine import ROOT


@pytest.mark.parametrize(
    ("values", "goal", "verdict"),
    [
        ([1.0, 2.0, 9.0], Goal(2), REACHED),
        ([1.0, 2.1, 2.2], Goal(2), MISSED),
        ([1.0, 2.0, 2.1], Goal(2, at_least=True), REACHED),
        ([1.0, 1.9, 9.0], Goal(2, at_least=True), MISSED),
        ([1.0], None, ""),
    ],
)
def test_the_median_is_judged(values: list[float], goal: Goal | None, verdict: str) -> None:
    assert Figure.of("what", "s", values, goal).verdict == verdict


def test_ratios_are_taken_round_by_round() -> None:
    found = Found()
    found.add_ratio("ours by theirs", [2.0, 30.0, 4.0], [1.0, 10.0, 1.0])
    assert (found.figures[0].median, found.figures[0].lowest, found.figures[0].highest) == (3.0, 2.0, 4.0)
    assert best_of([1.0, 5.0], [2.0, 4.0]) == [1.0, 4.0]


def test_everything_has_its_turn_in_each_round() -> None:
    order: list[str] = []

    def note(name: str) -> float:
        order.append(name)
        return len(order)

    assert in_turns({name: partial(note, name) for name in "ab"}, 2) == {"a": [1, 3], "b": [2, 4]}
    assert order == ["a", "b", "a", "b"]


def test_samples_are_sorted_by_the_innermost_function_that_says_what_they_are_about() -> None:
    start = "Keeper.run (sjs/daemon/keeper/keeper.py:89);Spawner.spawn (sjs/daemon/keeper/spawn.py:85)"
    stacks = [
        f"{start};_start (sjs/daemon/keeper/spawn.py:172) 3",
        f"{start} 2",
        "run (a.py:1);select (selectors.py:451) 1",
    ]
    assert sort(stacks) == {"waiting until the job is executed": 3, "everything else": 2, "nothing to do": 1}


def test_a_share_of_values_lies_below() -> None:
    assert [part(range(100), share) for share in (0.5, 0.99, 1)] == [50, 99, 99]


def test_a_row_that_fails_says_so_and_the_others_go_on() -> None:
    def lacking(_: Effort) -> Found:
        raise Lacking("no pdsh")

    def failing(_: Effort) -> Found:
        raise AssertionError("too\nbad")

    def working(_: Effort) -> Found:
        return Found([Figure.of("what", "ms", [1.0, 2.5, 3.0], Goal(2))], ["a note"])

    rows = [Row("one", "t", lacking), Row("two", "t", failing), Row("three", "t", working)]
    drawn = page.page(run(rows, Effort(quick=True)))
    assert "| one | t | – | | **not measured**: no pdsh |" in drawn
    assert "| two | t | – | | **not measured**: AssertionError: too bad |" in drawn
    assert "| three | what | 2.5 ms (1–3) | at most 2 ms | **missed** |" in drawn
    assert "\na note.\n" in drawn and "a quick one" in drawn


@pytest.mark.parametrize("runner", [peers.fork_and_exec, peers.xargs, partial(queue, ROOT, [])])
def test_jobs_are_run(runner: Callable[[int], float]) -> None:
    assert 0 < runner(10) < peers.PATIENCE


def test_what_a_queue_takes_of_the_processors_is_known() -> None:
    spent: list[Spent] = []
    queue(ROOT, spent, 40)
    assert sum(spent[0]) > 0
