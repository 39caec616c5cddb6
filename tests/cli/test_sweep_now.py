"""How a sweep stands, in numbers and words: by plain values."""

from __future__ import annotations

import pytest

from sjs.cli.sweeps.now import (
    MAX_POINTS,
    Failure,
    MachineNow,
    Pace,
    SweepNow,
    failure_lines,
    left_text,
    line,
    rate_text,
    turns,
)
from sjs.values import replace

NOW = SweepNow(100, 88, 12, 0, 0, 0, 0, (), 0.0)


def seen(*moments: tuple[float, int]) -> tuple[Pace, SweepNow]:
    """What is known after so many had ended at these times."""
    pace, now = Pace(), NOW
    for seconds, ended in moments:
        now = replace(NOW, seconds=seconds, succeeded=ended, waiting=88 - ended)
        pace = pace.after(now)
    return pace, now


def test_nothing_is_said_before_as_many_have_ended_as_run_at_once() -> None:
    pace, now = seen((0, 0), (1, 3), (2, 11))
    assert (pace.rate(now), pace.left(now)) == (None, None)
    pace, now = seen((0, 0), (1, 3), (2, 12))
    assert (pace.rate(now), pace.left(now)) == (9, 88 / 9)


def test_nothing_is_said_in_the_first_second() -> None:
    pace, now = seen((0, 0), (0.1, 12), (0.9, 50))
    assert pace.rate(now) is None
    assert Pace().rate(NOW) is None


def test_waves_of_settings_that_began_together_do_not_make_it_jump() -> None:
    wave = [(600.0, 6), (600.2, 12), (1200.0, 18), (1200.3, 24)]
    for number in (2, 4):
        pace, now = seen((0, 0), *wave[:number])
        assert 0.019 <= (pace.rate(now) or 0) <= 0.031, wave[:number]
    before_the_next = replace(now, seconds=1790.0)
    assert pace.rate(before_the_next) == pytest.approx(pace.rate(now), rel=0.3)


def test_what_was_there_before_anybody_looked_is_no_pace() -> None:
    pace, now = seen((0, 50), (10, 70))
    assert pace.rate(now) == 2


def test_it_follows_when_machines_come_and_when_all_stands_still() -> None:
    pace, now = seen((0, 0), (50, 50), (100, 100), (110, 200), (200, 1100))
    assert pace.rate(now) == pytest.approx(10)
    assert (pace.rate(replace(now, seconds=10_000.0)) or 0) < 0.2


def test_an_endless_sweep_keeps_few_points_and_knows_its_pace() -> None:
    pace, now = seen(*((float(second), 5 * second) for second in range(10_000)))
    assert pace.rate(now) == pytest.approx(5, rel=0.01)
    assert len(pace.points) <= MAX_POINTS


def test_nobody_knows_what_is_left_of_what_is_still_being_made() -> None:
    pace, now = seen((0, 0), (10, 20))
    assert pace.left(replace(now, total=None)) is None
    assert pace.left(replace(now, total=20)) == 0


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, "?/s"), (120.0, "120/s"), (2.04, "2.0/s"), (0.1, "6.0/min"), (0.001, "3.6/h"), (0.0, "0.0/h")],
)
def test_a_rate_has_a_unit_that_suits_it(rate: float | None, text: str) -> None:
    assert rate_text(rate) == text


def test_a_line_has_all_its_parts_whatever_is_known() -> None:
    pace, now = seen((0, 0), (10, 20))
    told = line("lr", replace(now, failed=2, cancelled=1), pace)
    assert told == (
        "sweep lr: 23 of 100 ended (20 succeeded, 2 failed, 1 cancelled), 12 running, 68 waiting, 0 not handed in;"
        " 2.0/s, 0:10 so far, 0:38 left"
    )
    assert line("lr", replace(NOW, total=None, not_handed_in=None), Pace()) == (
        "sweep lr: 0 of ? ended (0 succeeded, 0 failed, 0 cancelled), 12 running, 88 waiting, ? not handed in;"
        " ?/s, 0:00 so far, ? left"
    )
    assert left_text(None) == "? left"


def test_trouble_is_told_when_it_begins_and_when_it_is_over() -> None:
    def at(*troubles: str) -> SweepNow:
        return replace(NOW, machines=[MachineNow(f"m{number}", 0, 1, 0, one) for number, one in enumerate(troubles)])

    assert turns(None, at("", "away for 1 s")) == ["m1: away for 1 s"]
    assert turns(at("", "away for 1 s"), at("", "away for 2 s")) == []
    assert turns(at("", "away"), at("disk \x1b[2J full", "")) == ["m0: disk \\x1b[2J full", "m1: well again"]


def test_the_first_failures_are_told_with_the_way_to_all() -> None:
    one = Failure("gpu1", 7, "lr=0.1", "exit status 3", ["Traceback", "no \x1b[2J memory"])
    assert failure_lines([one], replace(NOW, failed=3), "sjs all", "lr") == [
        "failed: gpu1:7 (lr=0.1): exit status 3",
        "    Traceback",
        "    no \\x1b[2J memory",
        "  more: sjs gpu1 logs 7 --merged",
        "all 3 that failed: sjs all list --sweep lr --state failed",
    ]
    assert failure_lines([replace(one, setting="", lines=())], replace(NOW, failed=1), "submit all", "lr") == [
        "failed: gpu1:7: exit status 3",
        "  more: submit gpu1 logs 7 --merged",
    ]
