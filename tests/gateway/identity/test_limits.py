from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.identity.limits import Bucket, Exceeded, Limits, Meters, may_queue, take

LIMITS = Limits(rate=10.0, burst=5, requests=3, streams=2, queued=100)


def begun(meters: Meters, now: float, is_stream: bool = False, who: str = "a") -> str:
    found = meters.begin(who, LIMITS, now, is_stream)
    return found.code if found is not None else ""


def test_a_bucket_empties_and_fills() -> None:
    bucket = Bucket(5.0, 0.0)
    for _ in range(5):
        bucket, wait = take(bucket, LIMITS, 0.0)
        assert wait == 0
    bucket, wait = take(bucket, LIMITS, 0.0)
    assert wait == pytest.approx(0.1)
    bucket, wait = take(bucket, LIMITS, 0.05)
    assert wait == pytest.approx(0.05)
    bucket, wait = take(bucket, LIMITS, 0.11)
    assert wait == 0
    assert take(bucket, LIMITS, 1_000.0)[0].level == 4.0, "never more than the burst"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=200).map(sorted))
def test_no_more_pass_than_burst_and_rate_allow(moments: list[float]) -> None:
    bucket, passed = Bucket(5.0, moments[0]), []
    for now in moments:
        bucket, wait = take(bucket, LIMITS, now)
        if not wait:
            passed.append(now)
        else:
            assert take(bucket, LIMITS, now + wait + 1e-9)[1] == pytest.approx(0, abs=1e-6), (
                "the wait that is told is enough"
            )
    for at, first in enumerate(passed):
        for count, last in enumerate(passed[at:], 1):
            assert count <= 5 + (last - first) * 10 + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(0.0, 100.0)
    for now in (50.0, 0.0, 100.0):
        bucket, wait = take(bucket, LIMITS, now)
        assert wait == pytest.approx(0.1)
    assert take(Bucket(0.0, 0.0), Limits(rate=0.0), 1e9)[1] == float("inf")


def test_open_requests_and_streams_are_counted_apart() -> None:
    meters = Meters()
    assert [begun(meters, 0.0), begun(meters, 10.0), begun(meters, 20.0), begun(meters, 30.0)] == [
        "",
        "",
        "",
        "requests",
    ]
    assert [begun(meters, 40.0, True), begun(meters, 50.0, True), begun(meters, 60.0, True)] == ["", "", "streams"]
    meters.end("a", True)
    assert [begun(meters, 70.0, True), begun(meters, 70.0)] == ["", "requests"]
    meters.end("a")
    assert begun(meters, 80.0) == ""
    assert begun(meters, 80.0, who="b") == "", "of each alone"


def test_what_is_refused_has_cost_too() -> None:
    meters = Meters()
    codes = [begun(meters, 0.0) for _ in range(8)]
    assert codes == ["", "", "", "requests", "requests", "rate", "rate", "rate"]


@pytest.mark.parametrize(("wait", "said"), [(0.01, 1), (1.0, 1), (1.2, 2), (59.5, 60)])
def test_a_wait_is_told_in_whole_seconds(wait: float, said: int) -> None:
    assert Exceeded("rate", "", wait).retry_after == said


def test_what_is_kept_of_callers_is_bounded() -> None:
    meters = Meters(most_known=100)
    assert begun(meters, 0.0, True, "stays") == ""
    for number in range(10_000):
        meters.count(f"address {number}", LIMITS, 0.0)
    assert len(meters) == 100
    assert meters.use("stays") is not None, "who has something open is not forgotten"
    meters.end("stays", True)
    assert meters.use("address 9999") is not None


def test_nobody_is_forgotten_who_has_something_open_even_if_all_have() -> None:
    meters = Meters(most_known=2)
    assert [begun(meters, 0.0, who=who) for who in "abc"] == ["", "", ""]
    for who in "abc":
        meters.end(who)


def test_queued_jobs() -> None:
    assert may_queue(LIMITS, 99, 1) is None
    found = may_queue(LIMITS, 99, 2)
    assert found is not None
    assert (found.code, found.retry_after) == ("queued", 30)
    assert found.text == "99 jobs have not ended, and 2 more would be above the limit of 100"
