from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.posting.schedule import DELAYS, JITTER, LONGEST, Outcome, again, due

DOWN = Outcome(None, "no answer")


def test_it_is_tried_for_about_a_day_ever_less_often() -> None:
    moment, moments = 0.0, []
    for tries in range(1, 100):
        found = due(DOWN, tries, moment, 0.5)
        if found is None:
            break
        moments.append(found - moment)
        moment = found
    assert moments == list(DELAYS) == sorted(DELAYS)
    assert 20 * 3_600 < moment < 28 * 3_600


@given(st.integers(1, len(DELAYS)), st.floats(0, 1))
def test_chance_moves_a_try_by_a_part_of_its_delay(tries: int, chance: float) -> None:
    found = due(DOWN, tries, 0.0, chance)
    assert found is not None and abs(found - DELAYS[tries - 1]) <= DELAYS[tries - 1] * JITTER + 1e-6


def test_whoever_asks_for_more_time_gets_it_within_reason() -> None:
    assert due(Outcome(429, "", 1_000.0), 1, 50.0, 0.5) == 1_050.0
    assert due(Outcome(429, "", 1.0), 1, 50.0, 0.5) == 55.0
    assert due(Outcome(503, "", LONGEST), 1, 50.0, 0.5) == 50.0 + LONGEST
    assert again("999999999", 10.0) == again("Thu, 01 Jan 2099 00:00:00 GMT", 10.0) == LONGEST


def test_whoever_is_gone_is_not_asked_again() -> None:
    assert due(Outcome(410, ""), 1, 50.0, 0.5) is None


@pytest.mark.parametrize(("status", "delivered"), [(200, True), (204, True), (299, True), (302, False), (500, False)])
def test_two_hundred_is_delivered(status: int, delivered: bool) -> None:
    assert Outcome(status, "").is_delivered is delivered


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:01:00 -0000", 50.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("9" * 400, None),
    ],
)
def test_what_retry_after_says(said: str | None, seconds: float | None) -> None:
    assert again(said, 10.0) == seconds
