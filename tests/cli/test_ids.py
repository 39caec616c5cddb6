from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.cli.ids import merged, parse, parse_one, text
from sjs.core.job import contains
from sjs.errors import UsageError


@pytest.mark.parametrize(
    ("words", "ranges"),
    [
        (["5"], [(5, 5)]),
        (["1-3"], [(1, 3)]),
        (["1,4-6"], [(1, 1), (4, 6)]),
        (["4-6", "1"], [(1, 1), (4, 6)]),
        (["1-3,2-5"], [(1, 5)]),
        (["1,2,3"], [(1, 3)]),
    ],
)
def test_ids_are_ranges(words: list[str], ranges: list[tuple[int, int]]) -> None:
    assert merged(parse(words).ranges) == ranges


def test_words_stand_for_ids() -> None:
    assert parse(["last"]).last
    assert parse(["3", "all"]).all
    assert parse(["3,last"]).last


@pytest.mark.parametrize("word", ["", "x y", "-1", "1-", "3-1", "1,,2", "1.5", "99999999999999999999", "²"])
def test_other_words_are_no_ids(word: str) -> None:
    with pytest.raises(UsageError):
        parse([word])


def test_a_sweep_is_meant_by_its_name() -> None:
    found = parse(["lr-1,4-6", "gpu1:bs"])
    assert (found.sweeps, found.ranges, found.hosts["gpu1"].sweeps) == (["lr-1"], [(4, 6)], ["bs"])
    assert not found.is_bound
    with pytest.raises(UsageError, match="'lr' is no job id"):
        parse_one("lr")


def test_one_id_is_one() -> None:
    assert parse_one("5").ranges == [(5, 5)]
    assert parse_one("last").last
    for word in ("1-2", "1,2", "all", "5,last"):
        with pytest.raises(UsageError, match="more than one"):
            parse_one(word)


def test_too_many_ranges_are_refused() -> None:
    with pytest.raises(UsageError, match="separate ranges"):
        parse([",".join(str(number * 2) for number in range(1_001))])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))))
def test_merging_changes_no_id(ranges: list[tuple[int, int]]) -> None:
    found = merged(ranges)
    assert [contains(found, number) for number in range(70)] == [contains(ranges, number) for number in range(70)]
    assert all(one[1] + 1 < other[0] for one, other in pairwise(found))


@given(st.lists(st.integers(0, 200), min_size=1))
def test_text_and_parse_are_opposites(numbers: list[int]) -> None:
    ranges = merged([(number, number) for number in numbers])
    assert merged(parse([text(ranges)]).ranges) == ranges
