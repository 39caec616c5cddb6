"""Who is behind, and who never is."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.core.aims import Aim
from sjs.core.stopping import MAX_STEPS, Race, Rule, parse
from sjs.errors import BadRequest

LOSS = Rule(Aim("loss"), after=2, others=3)

SERIES = st.lists(st.lists(st.floats() | st.integers(-3, 3), max_size=4), max_size=6)


def race_of(rule: Rule, series: list[list[float]]) -> Race[int]:
    race: Race[int] = Race(rule)
    for job, values in enumerate(series):
        race.take(job, 0, values)
    return race


def test_rules_in_a_persons_words() -> None:
    assert parse("median:loss") == Rule(Aim("loss"))
    assert parse("median:max:acc") == Rule(Aim("acc", most=True))
    assert parse("median:min:loss, after=10,others=2") == Rule(Aim("loss"), 10, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "median",
        "median:",
        "mean:loss",
        "median:acc",
        "median:loss,after=0",
        "median:loss,x=1",
        "median:loss,after=x",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text)


def test_who_is_clearly_behind_and_what_is_said_of_it() -> None:
    race = race_of(LOSS, [[0.4, 0.2], [0.5, 0.3], [0.9, 0.4], [0.95, 0.9]])
    assert [race.behind(job) for job in range(3)] == [None] * 3
    assert str(race.behind(3)) == "behind: loss 0.9 at step 2, median 0.4"
    most = race_of(LOSS._replace(aim=Aim("acc", most=True)), [[4, 2], [5, 4], [9, 5], [1, 1]])
    assert str(most.behind(3)) == "behind: acc 1 at step 2, median 4.5"


def test_others_count_as_far_as_they_came() -> None:
    race = race_of(LOSS, [[0, 0], [0, 0], [0], [9, 9]])
    assert race.behind(3) is None, "only two have got as far"
    race.take(2, 1, [0])
    assert race.behind(3) is not None


def test_who_prints_nothing_is_not_behind() -> None:
    race = race_of(LOSS, [[0, 0], [0, 0], [0, 0]])
    assert race.behind(7) is None
    race.take(7, 0, [])
    assert race.behind(7) is None


def test_who_begins_anew_has_nothing() -> None:
    race = race_of(LOSS, [[1, 1], [1, 1], [1, 1], [2, 2]])
    for _ in range(2):
        race.forget(3)
    race.take(3, 0, [2])
    assert race.behind(3) is None
    race.take(3, 1, [2])
    assert race.behind(3) is not None


def test_values_that_come_again_are_no_news() -> None:
    race = race_of(LOSS, [[1] * 4, [1] * 4, [1] * 4, [2, 2]])
    race.take(3, 0, [2, 2])
    race.take(3, 1, [2, 2, 2])
    found = race.behind(3)
    assert found is not None and found.step == 4


def test_a_job_has_shown_what_it_is_worth_at_some_time() -> None:
    race = race_of(LOSS, [[1.0] * (MAX_STEPS + 10)])
    race.take(0, MAX_STEPS, [1.0])
    race.take(1, 0, [2.0] * MAX_STEPS)
    for job in (2, 3):
        race.take(job, 0, [1.0] * MAX_STEPS)
    found = race.behind(1)
    assert found is not None and found.step == MAX_STEPS


@settings(max_examples=40)
@given(SERIES, st.booleans())
def test_who_is_the_best_at_its_step_is_never_behind(series: list[list[float]], most: bool) -> None:
    rule = Rule(Aim("x", most), after=1, others=1)
    race = race_of(rule, series)
    for job, values in enumerate(series):
        rivals = [other for number, other in enumerate(series) if number != job and len(other) >= len(values)]
        costs = [min(map(rule.aim.cost, one[: len(values)]), default=math.inf) for one in (values, *rivals)]
        if values and costs[0] <= min(costs):
            assert race.behind(job) is None


@settings(max_examples=40)
@given(SERIES, st.integers(1, 4), st.integers(1, 4))
def test_nobody_is_behind_before_it_can_be_told(series: list[list[float]], after: int, others: int) -> None:
    race = race_of(Rule(Aim("x"), after, others), series)
    for job, values in enumerate(series):
        as_far = sum(len(other) >= len(values) for other in series) - 1
        if len(values) < after or as_far < others:
            assert race.behind(job) is None


@settings(max_examples=40)
@given(SERIES, st.randoms(use_true_random=False))
def test_in_which_order_values_came_does_not_matter(series: list[list[float]], luck: random.Random) -> None:
    mixed: Race[int] = Race(LOSS)
    todo = [job for job, values in enumerate(series) for _ in values]
    luck.shuffle(todo)
    at = [0] * len(series)
    for job in todo:
        mixed.take(job, at[job], [series[job][at[job]]])
        at[job] += 1
    straight = race_of(LOSS, series)
    assert [str(mixed.behind(job)) for job in range(len(series))] == [
        str(straight.behind(job)) for job in range(len(series))
    ]
