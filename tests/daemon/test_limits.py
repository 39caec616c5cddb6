"""What an attempt may take: kept over every kind of change in those who keep it, and enforced on its whole tree."""

from __future__ import annotations

import random
import selectors
import time
from collections.abc import Iterator

import pytest

from sjs.daemon.attempt import boot_clock
from sjs.daemon.limits import GRACE, Deadlines, Limits
from tests.daemon.test_attempts import DEADLINE, ESCAPED, IGNORING, Bench, bench, is_gone, orphan

__all__ = ["bench"]


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as made:
        yield made


def test_each_deadline_is_told_once_and_in_time(selector: selectors.BaseSelector) -> None:
    """For random changes, as a plain dictionary tells it; and what was dropped takes no room."""
    chance = random.Random(5)
    deadlines, plain = Deadlines(selector), dict[str, float]()
    for now in range(3_000):
        for _ in range(3):
            tag = str(chance.randrange(50))
            at = chance.choice([None, now + chance.random() * 100])
            deadlines.set(tag, at)
            plain.pop(tag, None)
            if at is not None:
                plain[tag] = at
        over = [tag for tag, at in plain.items() if at <= now]
        assert sorted(deadlines.due(now)) == sorted(over)
        for tag in over:
            del plain[tag]
        assert len(deadlines._heap) <= 2 * 50 + 17


def test_a_deadline_wakes_the_selector(selector: selectors.BaseSelector) -> None:
    deadlines = Deadlines(selector)
    deadlines.set("far", boot_clock() + 3_600)
    assert selector.select(0) == []
    for tag in ("past", "near"):
        deadlines.set(tag, boot_clock() + {"past": -7_200.0, "near": 0.01}[tag])
        assert len(selector.select(DEADLINE)) == 1
        assert deadlines.due(boot_clock()) == [tag]
        assert selector.select(0) == []


def test_a_pause_is_given_back() -> None:
    limits = Limits(timeout=10.0, deadline=50.0)
    assert limits.at_pause(42.0).at_resume(45.0) == limits._replace(deadline=53.0)
    assert limits.at_resume(45.0) == limits
    assert Limits().at_pause(42.0).at_resume(45.0) == Limits()
    assert (Limits().patience, Limits(grace=0.0).patience) == (GRACE, 0.0)


def test_who_runs_too_long_is_ended_with_its_whole_tree(bench: Bench) -> None:
    bench.start(f"{ESCAPED} {IGNORING}", timeout=0.5, grace=0.1)
    escaped = bench.pid("pid")
    end = bench.end()
    assert (end["reason"], end["signal"], end["detail"]) == ("timeout", 9, "it ran longer than 0.5s")
    assert is_gone(escaped)


def test_its_last_words_are_its_own(bench: Bench) -> None:
    bench.start("trap 'exit 5' TERM; while :; do sleep 0.05; done", timeout=0.3, grace=60)
    assert bench.end().items() >= {"reason": "timeout", "exit": 5}.items()


def test_who_ends_in_time_is_let(bench: Bench) -> None:
    bench.start("exit 5", timeout=60)
    assert bench.end().items() >= {"reason": "exit", "exit": 5}.items()
    assert bench.attempts._deadlines._heap == []


def test_who_was_cancelled_first_was_cancelled(bench: Bench) -> None:
    bench.start(IGNORING, timeout=0.4)
    bench.run((bench.folder / "up").exists)
    bench.attempts.stop("0.1", 1.0)
    end = bench.end()
    assert (end["reason"], "detail" in end) == ("cancelled", False)


def test_the_time_of_an_adopted_one_goes_on_from_its_start(bench: Bench) -> None:
    before = boot_clock()
    orphan(bench, f"{ESCAPED} {IGNORING}", timeout=600.0, grace=0.1)
    escaped = bench.pid("pid")
    attempt = bench.successor()._all["0.1"]
    assert before + 600 <= (attempt.limits.deadline or 0) <= boot_clock() + 600
    bench.attempts._journal.limited("0.1", attempt.limits._replace(deadline=boot_clock()))
    bench.successor()
    end = bench.end()
    assert (end["reason"], end["detail"]) == ("timeout", "its keeper died meanwhile; it ran longer than 10m")
    assert is_gone(escaped)


def test_the_time_goes_on_when_it_is_handed_over(bench: Bench) -> None:
    bench.start(IGNORING, timeout=600.0, grace=0.1)
    record = bench.attempts.hand_over()
    record["attempts"][0]["limits"] = list(record["attempts"][0]["limits"]._replace(deadline=time.monotonic()))
    bench.successor(record)
    assert bench.end()["reason"] == "timeout"
