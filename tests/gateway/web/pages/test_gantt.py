"""Shapes of a timeline."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sjs.core.lifecycle import FAILED, RUNNING, SUCCEEDED
from sjs.gateway.web.pages.gantt import LANES, LEAST, MOST, MOST_ROWS, TEXT, WIDTH, Bar, Span, picture, ticks

START, STOP = 1_000_000.0, 1_003_600.0


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    times = st.floats(START - 5_000, STOP + 5_000)
    found = []
    for number in range(draw(st.integers(0, 60))):
        begin = draw(times)
        lane, state = draw(st.sampled_from(["a", "b", "c"])), draw(st.sampled_from([SUCCEEDED, FAILED, RUNNING]))
        found.append(Span(number, "", lane, state, begin, begin + draw(st.floats(0, 5_000))))
    return found


@given(spans())
def test_all_that_ran_then_is_within_the_picture_and_nothing_covers_another(found: list[Span]) -> None:
    seen = [one for one in found if one.start < STOP and one.stop > START]
    made = picture(found, START, STOP)
    assert sum(lane.count for lane in made.lanes) == len(seen) == sum(bar.count for bar in made.bars)
    rows: dict[float, list[Bar]] = {}
    for bar in made.bars:
        assert bar.x >= 0
        assert bar.width >= LEAST
        assert bar.x + bar.width <= WIDTH + 0.02
        assert 0 <= bar.y < made.height
        rows.setdefault(bar.y, []).append(bar)
    for inside in rows.values():
        for one, next in pairwise(sorted(inside, key=lambda bar: bar.x)):
            assert one.x + one.width <= next.x + 0.02


def test_however_many_there_were_there_are_few_shapes_and_all_are_counted() -> None:
    found = [
        Span(number, "", f"m{number % 7}", SUCCEEDED, START + number % 3_600, START + number % 3_600 + number % 90)
        for number in range(20_000)
    ]
    made = picture(found, START, STOP)
    seen = [one for one in found if one.stop > START]
    assert sum(bar.count for bar in made.bars) == len(seen)
    assert len(made.bars) <= 2 * MOST + len(made.lanes) * 2
    assert all(lane.height < (MOST_ROWS + 3) * 20 for lane in made.lanes)


def test_of_many_machines_those_are_drawn_that_had_most_to_do() -> None:
    found = [Span(number, "", f"m{number:03}", SUCCEEDED, START, START + number) for number in range(1, 301)]
    made = picture(found, START, STOP)
    assert [lane.name for lane in made.lanes] == [f"m{number:03}" for number in range(301 - LANES, 301)]
    assert made.left == 300 - LANES
    assert sum(bar.count for bar in made.bars) == LANES


def test_of_many_that_are_drawn_together_the_worst_is_seen() -> None:
    long = [Span(number, "", "a", SUCCEEDED, START, STOP) for number in range(MOST)]
    short = [Span(MOST + number, "", "a", state, START, START + 1) for number, state in enumerate([SUCCEEDED, FAILED])]
    made = picture([*long, *short], START, STOP)
    assert [bar.state for bar in made.bars if bar.count > 1 and bar.job >= MOST or bar.count > MOST_ROWS] == [FAILED]


@given(st.floats(0, 2**31), st.sampled_from([600, 3_600, 21_600, 86_400, 604_800]))
def test_lines_are_within_and_few(start: float, seconds: int) -> None:
    found = ticks(start, start + seconds)
    assert len(found) <= 13
    assert all(0 <= one.x <= WIDTH for one in found)
    assert all(one.text for one in found if one.x <= WIDTH - TEXT)
    assert not any(one.text for one in found if one.x > WIDTH - TEXT)
