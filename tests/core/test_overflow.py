"""What a job that overflows may cost, and how many may go in a day."""

from __future__ import annotations

import pytest

from sjs.core.job import Report, Retry, Spec
from sjs.core.needs import Machine, Needs
from sjs.core.overflow import Limits, Spent, granted, price, why_not
from sjs.core.placement import waiting, why_waiting


@pytest.mark.parametrize(
    ("spec", "rate", "cost"),
    [
        (Spec("a"), 0.0, 0.0),
        (Spec("a"), 2.0, None),
        (Spec("a", timeout=1800.0), 2.0, 1.0),
        (Spec("a", timeout=1800.0, retry=Retry(2)), 2.0, 3.0),
    ],
)
def test_a_job_costs_the_most_that_it_may_cost(spec: Spec, rate: float, cost: float | None) -> None:
    assert price(spec, rate) == cost


@pytest.mark.parametrize(
    ("prices", "spent", "limits", "expected"),
    [
        ([None, 5.0], Spent(9, 9.0), Limits(), [True, True]),
        ([0.0, 0.0, 0.0], Spent(1), Limits(jobs=3), [True, True, False]),
        ([0.1] * 4, Spent(0, 0.0), Limits(cost=0.3), [True, True, True, False]),
        ([2.0, 1.0, None], Spent(0, 9.0), Limits(cost=10.0), [False, True, False]),
        ([1.0], Spent(0, 0.0), Limits(0, 5.0), [False]),
    ],
)
def test_as_many_go_as_the_day_allows(
    prices: list[float | None], spent: Spent, limits: Limits, expected: list[bool]
) -> None:
    found, new = granted(prices, spent, limits)
    assert found == expected
    assert new.jobs == expected.count(True)
    assert new.cost == pytest.approx(sum(cost or 0.0 for cost, may_go in zip(prices, found, strict=True) if may_go))


def test_what_is_settled_is_no_more_open() -> None:
    assert Spent(3, 2.5).less(Spent(1, 0.5)).plus(Spent(1, 1.0)) == Spent(3, 3.0)


def test_why_more_do_not_go_is_said_in_words() -> None:
    assert why_not([1.0], Spent(3), Limits(jobs=3)) == "3 of 3 jobs of today have gone"
    assert "--timeout" in why_not([None], Spent(3), Limits(9, 1.0))
    assert why_not([2.0], Spent(3, 9.5), Limits(None, 10.0)) == "9.5 of 10 may have been spent today"


def test_those_wait_that_find_no_free_slot_of_one_that_does_well() -> None:
    big = Needs(cpus=8)
    free = Report("a", 1, 4, 0, machine=Machine(4, cpus=2))
    assert waiting([free], 5) == 2
    assert waiting([free], 5, big) == 5
    assert (why_waiting([free]), why_waiting([free], big), why_waiting([])) == (
        "is full",
        "has nobody who could hold them",
        "does not answer",
    )
    for shut in (Report("a", 0, 4, 0, drained=True), Report("a", 0, 0, 0), Report("a", 0, 4, 0, sick="fails all")):
        assert (waiting([shut], 2), why_waiting([shut])) == (2, "starts nothing")
