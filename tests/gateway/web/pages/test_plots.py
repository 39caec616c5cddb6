"""Shapes of pictures of what came out of a sweep."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.web.pages.plots import parallel as lines
from sjs.gateway.web.pages.plots.frame import HEIGHT, WIDTH
from sjs.gateway.web.pages.plots.parallel import Setting, parallel
from sjs.gateway.web.pages.plots.sampling import sample
from sjs.gateway.web.pages.plots.scales import OTHERS, TONES, WORDS, Value, scale, value
from sjs.gateway.web.pages.plots.scatter import BOTTOM, LEFT, MOST, RIGHT, TOP, Dot, scatter

NUMBERS = st.floats() | st.integers(-(10**6), 10**6).map(float)
VALUES = st.none() | NUMBERS | st.text(max_size=5)
MANY = st.lists(VALUES, max_size=40)


@given(MANY)
def test_all_values_are_on_their_axis_and_what_is_none_is_not(values: list[Value]) -> None:
    made = scale("x", values)
    for one in values:
        at = made.place(one)
        if one is None:
            assert at is None
        elif made.words or (isinstance(one, float) and math.isfinite(one)):
            assert at is not None and 0 <= at <= 1
            assert made.tone(one) in range(TONES)
        else:
            assert at is None
    assert all(0 <= tick.at <= 1 for tick in made.ticks)
    assert len(made.ticks) <= max(8, WORDS)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_what_is_more_is_not_before_what_is_less(values: list[float]) -> None:
    made = scale("x", values)
    places = [made.place(one) for one in sorted(values)]
    assert None not in places
    assert places == sorted(places, key=lambda one: one or 0.0)
    ticks = [tick.at for tick in made.ticks]
    assert ticks == sorted(ticks)


@given(st.integers(-300, 290), st.integers(3, 12), st.integers(1, 5))
def test_powers_are_as_far_from_each_other_as_the_next(first: int, count: int, times: int) -> None:
    made = scale("lr", [10.0**power for power in range(first, first + count)] * times)
    assert made.is_log
    places = [made.place(10.0**power) or 0.0 for power in range(first, first + count)]
    assert places[0] == 0 and math.isclose(places[-1], 1)
    assert all(math.isclose(b - a, 1 / (count - 1), abs_tol=1e-9) for a, b in zip(places, places[1:], strict=False))
    assert made.place(0.0) is None and made.place(-1.0) is None


def test_even_numbers_are_on_no_logarithmic_axis() -> None:
    assert not scale("n", [float(one) for one in range(1, 1_000)]).is_log
    assert [tick.text for tick in scale("n", [0.0, 100.0]).ticks] == ["0", "20", "40", "60", "80", "100"]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.text())
def test_one_value_is_in_the_middle(one: Value) -> None:
    assert scale("x", [one] * 3).place(one) == 0.5


def test_of_many_texts_the_last_share_a_place() -> None:
    texts = [f"kind {number}" for number in range(50)]
    made = scale("kind", texts)
    assert len(made.words) == WORDS and made.words[-1] == OTHERS
    assert {made.place(one) for one in texts[WORDS - 1 :]} == {1.0}
    assert len({made.place(one) for one in texts[: WORDS - 1]}) == WORDS - 1


def test_texts_that_are_numbers_are_numbers() -> None:
    assert [value(one) for one in ("1e-3", "relu", 7, None, 10**400)] == [0.001, "relu", 7.0, None, None]


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=60))
def test_all_points_are_within_the_picture_and_none_is_lost(values: list[tuple[Value, Value, Value]]) -> None:
    dots = [Dot(number, *one) for number, one in enumerate(values)]
    made = scatter(dots, "x", "y", "c")
    assert made.count + made.placeless == len(dots)
    assert len(made.points) == made.count
    for point in made.points:
        assert LEFT <= point.x <= WIDTH - RIGHT
        assert TOP <= point.y <= HEIGHT - BOTTOM


@given(st.integers(0, 10_000), st.integers(1, 500), st.sets(st.integers(0, 10_000), max_size=3))
def test_a_sample_is_bounded_even_and_has_what_is_wanted(count: int, most: int, wanted: set[int]) -> None:
    found = sample(range(count), most, lambda one: one in wanted)
    assert len(found) == len(set(found)) <= most
    assert found == sorted(found)
    assert len(found) == count or len(found) >= most - len(wanted)
    if most >= len(wanted):
        assert wanted & set(range(count)) <= set(found)


def test_of_very_many_the_best_is_drawn_above_all() -> None:
    made = scatter([Dot(number, float(number), 0.0, None, number == 1_237) for number in range(10_000)], "x", "y")
    assert len(made.points) <= MOST < made.count == 10_000
    assert made.points[-1].dot.job == 1_237


@given(st.lists(st.fixed_dictionaries(dict.fromkeys("abc", VALUES)), max_size=40))
def test_all_lines_are_within_and_cross_each_axis_once(values: list[dict[str, Value]]) -> None:
    made = parallel([Setting(number, one) for number, one in enumerate(values)], "abc", "c")
    assert len(made.lines) == made.count <= len(values)
    for line in made.lines:
        corners = [corner for piece in line.pieces for corner in piece]
        across = [x for x, _ in corners]
        assert across == sorted(set(across)) and set(across) <= {axis.x for axis in made.axes}
        assert all(lines.TOP <= y <= HEIGHT - lines.BOTTOM for _, y in corners)
        assert all(len(piece) > 1 for piece in line.pieces) and line.path.count("M") == len(line.pieces)


def test_lines_and_axes_are_bounded_and_the_best_is_above_all() -> None:
    names = [f"p{number}" for number in range(30)]
    values = dict.fromkeys(names, 1.0)
    made = parallel([Setting(number, values, number == 4_321) for number in range(10_000)], names, "p0")
    assert len(made.axes) == lines.AXES
    assert len(made.lines) <= lines.MOST < made.count == 10_000
    assert made.lines[-1].setting.job == 4_321
