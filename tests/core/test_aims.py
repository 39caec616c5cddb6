"""What is best, in a person's words."""

from __future__ import annotations

import math

import pytest

from sjs.core.aims import Aim, parse
from sjs.errors import BadRequest


def test_the_least_or_the_most() -> None:
    assert parse("min:loss") == parse("loss", least_by_default=True) == Aim("loss")
    assert parse("max:val/acc") == Aim("val/acc", most=True)
    assert [str(parse(text)) for text in ("min:loss", "max:acc")] == ["min:loss", "max:acc"]


@pytest.mark.parametrize("text", ["", "loss", "most:loss", "max:", "min:"])
def test_it_is_to_be_said_which(text: str) -> None:
    with pytest.raises(BadRequest, match="the least of it or the most"):
        parse(text)


@pytest.mark.parametrize("text", ["acc", "val_acc", "Test/F1-score", "", "mean:loss"])
def test_what_is_to_grow_is_not_taken_for_the_least(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text, least_by_default=True)


def test_what_is_no_result_costs_more_than_any() -> None:
    for aim in (Aim("x"), Aim("x", most=True)):
        assert {aim.cost(value) for value in (math.nan, math.inf, -math.inf)} == {math.inf}
    assert (Aim("x").cost(3), Aim("x", most=True).cost(3)) == (3.0, -3.0)
