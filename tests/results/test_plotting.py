"""What a drawing shows, and the drawings."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sjs.core.aims import Aim
from sjs.errors import UnknownJob
from sjs.results import dots
from sjs.results.dots import HEIGHT, Style
from sjs.results.plotting import Plot, axis, is_log_spaced, plot
from sjs.results.rows import Row
from sjs.results.table import columns
from tests.results.rows import row

LEAST = Aim("loss")


def drawn(rows: list[Row], aim: Aim = LEAST) -> Plot:
    return plot(rows, columns(rows), aim)


def grid() -> list[Row]:
    settings = [(lr, o) for lr in ("0.001", "0.01", "0.1", "1") for o in ("sgd", "adam")]
    return [
        row(number, abs(math.log10(float(lr)) + 2) + (o == "sgd"), values={"lr": lr, "o": o, "same": "1"})
        for number, (lr, o) in enumerate(settings, 1)
    ]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 10, 100], True),
        ([32, 64, 128], True),
        ([1e-4, 3e-4, 2e-3, 1e-2, 0.09], True),
        ([1, 10], True),
        ([1, 2, 3, 4], False),
        ([1, 5, 10], False),
        ([1, 9], False),
        ([1, 2], False),
        ([0, 1, 100], False),
        ([-1, 10, 100], False),
        ([5], False),
    ],
)
def test_values_that_lie_evenly_by_their_logarithms(values: list[float], wanted: bool) -> None:
    assert is_log_spaced(values) is wanted


def test_words_have_places_and_numbers_lie_where_they_are() -> None:
    words = axis("o", [row(number, values={"o": word}) for number, word in enumerate(("b", "10", "9", "nan", "a"))])
    assert (words.words, words.place("a")) == (["9", "10", "a", "b", "nan"], 2.0)
    numbers = axis("x", [row(number, values={"x": word}) for number, word in enumerate(("1", "100", "10"))])
    assert (numbers.is_log, numbers.share(numbers.place("10")), numbers.ticks) == (True, 0.5, [1, 10, 100])
    assert axis("x", [row(number) for number in (1, 2)]).words == [""], "one that a setting does not have"
    many = axis("lr", [row(number) for number in range(1, 50)])
    assert (many.ticks, many.share(25.0), many._replace(high=1.0).share(1.0)) == ((), 0.5, 0.5)


def test_a_few_that_are_far_off_do_not_hide_how_the_others_differ() -> None:
    def is_log(*values: float) -> bool:
        return drawn([row(number, value) for number, value in enumerate(values)]).result.is_log

    assert is_log(0.3, 0.4, 0.5, 0.6, 9.0)
    assert not is_log(0.1, 0.9, 0.91, 0.92), "most are good"
    assert not is_log(0.3, 0.4, 0.5, 0.6, 1.0)
    assert not is_log(-0.3, 0.4, 0.5, 0.6, 90.0)


def test_what_varies_is_drawn_and_the_best_last() -> None:
    rows = [*grid(), row(9, math.nan), row(10), row(11, -5.0, state="failed", values={"lr": "10", "o": "x"})]
    found = drawn(rows)
    assert [one.name for one in found.axes] == ["lr", "o", "same"], "who failed has a place, too"
    assert (found.best.row.number, found.best.is_best, found.left_out) == (4, True, 2)
    assert [one.name for one in drawn(grid()).axes] == ["lr", "o"]
    assert drawn(grid(), Aim("loss", most=True)).best.value == 3.0
    with pytest.raises(UnknownJob, match="no job has a number as its 'loss'"):
        drawn([row(1), row(2, math.inf)])


ONE = [one for one in grid() if one.values["o"] == "adam"]
WORDS = [one for one in grid() if one.values["lr"] == "0.1"]


@pytest.mark.parametrize(
    "rows",
    [
        grid(),
        ONE,
        WORDS,
        [row(1, 1.0)],
        [row(number, 1.0, values={}) for number in (1, 2)],
        [row(number, 10.0**number) for number in range(1, 60)],
        [row(number, 10.0**number, values={"a": str(number), "b": str(number % 7)}) for number in range(1, 60)],
        [row(number, 1.0, values={"a$^": "w$" * 99 + str(number), "b": str(number)}) for number in (1, 2)],
    ],
)
def test_each_kind_can_be_drawn(rows: list[Row], tmp_path: Path) -> None:
    from sjs.results import picture  # which takes a second, for all who collect tests

    picture.save(drawn(rows), "lr-3f9a1c", str(tmp_path / "loss.png"))
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    for style in (Style(80), Style(1), Style(40, is_plain=True)):
        lines = [*dots.panels(drawn(rows), style)]
        assert all(line.isascii() for line in lines) is style.is_plain or style.width == 1
        assert max(map(len, lines[:-1])) <= max(style.width, 40)


def test_dots_lie_where_their_values_are() -> None:
    rows = [row(1, 0.0, values={"x": "0"}), row(2, 1.0, values={"x": "1"}), row(3, 2.0, values={"x": "2"})]
    lines = [*dots.panels(drawn(rows), Style(24, is_plain=True))]
    assert lines == [
        "loss against x",
        "2 |                   .",
        *["  |"] * 4,
        "  |          .",
        *["  |"] * (HEIGHT - 7),
        "0 |*",
        "  +--------------------",
        "   0        x         2",
        "* m:1  x=0  loss=0.0",
    ]


def test_the_best_is_marked_in_colour_where_there_are_colours() -> None:
    lines = [*dots.panels(drawn(ONE), Style(80, False, "<", ">"))]
    assert sum("<●>" in line for line in lines) == 2
    assert any("lr (log)" in line for line in lines)
