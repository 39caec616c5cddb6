from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.core import quantities as q


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0.5", 0.5),
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1d", 86_400),
        ("2W", 14 * 86_400),
        ("1d12h", 129_600),
        ("02:30", 9000),
        ("00:00:05", 5),
        ("1-12:00:00", 129_600),
        ("1-12:00", 129_600),
        (" 5s ", 5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert q.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "5 m", "1h30", "x", "1:2", "1e3", "nan", "inf", "99999d", "٣"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        q.duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.25s"), (5, "5s"), (60, "1m"), (90, "1m30s"), (3600, "1h"), (3661, "1h1m"), (129_600, "1d12h")],
)
def test_durations_are_written_short(seconds: float, text: str) -> None:
    assert q.duration_text(seconds) == text


@given(st.integers(1, 10**8))
def test_a_written_duration_is_read_again_not_too_far_off(seconds: int) -> None:
    again = q.duration(q.duration_text(seconds))
    assert again <= seconds < again * 1.2 + 1


@pytest.mark.parametrize(
    ("text", "count"),
    [("100", 100), ("4G", 4 << 30), ("512m", 512 << 20), ("1.5GiB", 3 << 29), ("2kB", 2048), ("1T", 1 << 40)],
)
def test_sizes(text: str, count: int) -> None:
    assert q.size(text) == q.size_or_zero(text) == count


def test_zero_is_a_size_only_where_it_has_a_meaning() -> None:
    assert q.size_or_zero(" 0 ") == 0
    with pytest.raises(ValueError, match="size"):
        q.size_or_zero("-1")


@pytest.mark.parametrize("text", ["", "0", "G", "4X", "-1", "4 G", "4GG", "99999999P"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        q.size(text)


@pytest.mark.parametrize(("count", "text"), [(1, "1"), (2048, "2K"), (3 << 29, "1.5G"), (1 << 62, "4096P")])
def test_sizes_are_written_short(count: int, text: str) -> None:
    assert q.size_text(count) == text


@pytest.mark.parametrize(
    ("text", "thousandths"), [("1", 1000), ("0.5", 500), ("2", 2000), ("0.125", 125), ("1.0", 1000)]
)
def test_shares(text: str, thousandths: int) -> None:
    assert q.share(text) == thousandths
    assert q.share(q.share_text(thousandths)) == thousandths


@pytest.mark.parametrize("text", ["", "0", "1.5", "-1", "0.1234", "x", "1001"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="GPU"):
        q.share(text)


def test_pairs() -> None:
    assert q.pair("A=b=c") == ("A", "b=c")
    assert q.pair("A=") == ("A", "")
    for text in ("A", "=b", ""):
        with pytest.raises(ValueError, match="NAME=VALUE"):
            q.pair(text)
