from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.errors import UsageError
from sjs.making.grid import Linked, Product, Rows, Sample, settings
from sjs.making.parameters import Listed, Parameter, parameter

LISTS = st.lists(st.lists(st.text("abc", max_size=2), min_size=1, max_size=4), min_size=1, max_size=4)


def listed(*values: str) -> Parameter:
    return Parameter("", Listed(values), values)


@given(LISTS)
def test_all_go_with_all_and_the_last_varies_fastest(lists: list[list[str]]) -> None:
    found = settings([listed(*one) for one in lists])
    assert list(found) == list(found) == list(itertools.product(*lists))
    assert found.count == len(list(found))
    assert found.names == [str(place + 1) for place in range(len(lists))]


@given(LISTS, st.integers(1, 300), st.integers(0, 2**64))
def test_none_is_drawn_twice_and_each_can_be(lists: list[list[str]], wanted: int, seed: int) -> None:
    parts = [listed(*dict.fromkeys(one)) for one in lists]
    space = list(itertools.product(*(part.words for part in parts)))
    found = Sample(parts, wanted, seed)
    assert len(set(found)) == len(list(found)) == found.count == min(wanted, len(space))
    assert set(Sample(parts, len(space), seed)) == set(space)


def test_the_same_ones_are_drawn_by_whichever_python() -> None:
    """These were drawn by the first version."""
    finite = [parameter("n", ["int:1..100"]), parameter("c", ["choice:a,b,c"])]
    assert list(Sample(finite, 4, 7)) == FINITE
    assert list(Sample([*finite, parameter("u", ["uniform:0..1"]), parameter("l", ["log:1e-4..1"])], 3, 7)) == ENDLESS


FINITE = [("18", "a"), ("63", "b"), ("19", "c"), ("62", "b")]
ENDLESS = [
    ("49", "a", "0.11934972973", "0.0857136631364"),
    ("30", "a", "0.804724281418", "0.00647653698925"),
    ("33", "c", "0.606557538026", "0.00113890159005"),
]


def test_chance_is_even() -> None:
    """Of a parameter with four values each comes about as often as the others, and what is drawn does not go round."""
    parts = [parameter("a", ["int:1..4"]), parameter("b", ["uniform:0..1"])]
    rows = list(Sample(parts, 4_000, 1))
    counts = [sum(first == str(value) for first, _ in rows) for value in range(1, 5)]
    assert min(counts) > 900, counts
    assert len({second for _, second in rows}) == 4_000
    finite = [int(row[0]) for row in Sample([parameter("a", ["int:1..1000000"])], 1_000, 1)]
    assert sum(one < 500_000 for one in finite) in range(420, 580)
    assert finite != sorted(finite)


@pytest.mark.parametrize("count", [3, 12])
def test_any_two_come_first_as_often_as_any_others(count: int) -> None:
    """By the sum of squares that chance would make about as large as there are pairs."""
    part = listed(*map(str, range(count)))
    drawn = Counter(tuple(Sample([part], 2, seed)) for seed in range(3_000))
    pairs = count * (count - 1)
    wanted = 3_000 / pairs
    squares = sum((drawn[pair] - wanted) ** 2 / wanted for pair in itertools.permutations(part, 2))
    assert squares < 2 * pairs + 10, drawn


def test_links_go_as_far_as_the_shortest() -> None:
    linked = Linked([listed("a", "b", "c"), listed("1", "2")])
    found = settings([linked, listed("x", "y")])
    assert list(found) == [("a", "1", "x"), ("a", "1", "y"), ("b", "2", "x"), ("b", "2", "y")]
    assert (found.names, found.count, linked.count) == (["1", "2", "3"], 4, 2)


class Endless:
    """A file of which nobody knows how long it is."""

    names: Sequence[str] = ("",)
    count: int | None = None

    def __iter__(self) -> itertools.repeat[tuple[str, ...]]:
        return itertools.repeat(("x",))

    def said(self) -> itertools.repeat[bytes]:
        return itertools.repeat(b"x", 1)


def test_where_the_length_is_not_known_nobody_guesses() -> None:
    endless: Rows = Endless()
    assert Product([endless, listed("a")]).count is None
    assert Linked([endless, listed("a")]).count is None
    assert list(itertools.islice(settings([endless, listed("a", "b")]), 3)) == [("x", "a"), ("x", "b"), ("x", "a")]


@pytest.mark.parametrize(
    ("parts", "samples", "what"),
    [
        ([], None, "which parameters"),
        ([parameter("a", ["1"]), parameter("a", ["2"])], None, "two parameters of the name a"),
        ([listed("a")] * 1_001, None, "there are 1001 parameters; a job can have 1000"),
        (
            [parameter("a", ["1"]), parameter("u", ["uniform:0..1"])],
            None,
            "u: there is no end of values in uniform:0..1",
        ),
        ([Linked([listed("a"), listed("b")])], 3, "not from tables or files"),
    ],
)
def test_what_makes_no_settings_is_an_error(parts: list[Rows], samples: int | None, what: str) -> None:
    with pytest.raises(UsageError) as error:
        settings(parts, samples)
    assert what in error.value.message


def test_a_million_settings_are_never_held() -> None:
    whole = [parameter(name, ["int:1..1000"]) for name in "ab"]
    for found in (settings(whole), settings(whole, 1_000_000)):
        tracemalloc.start()
        for _ in itertools.islice(found, 5_000):
            pass
        assert tracemalloc.get_traced_memory()[1] < 100_000
        tracemalloc.stop()
