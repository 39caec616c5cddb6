"""What a request says of what its client has already."""

from __future__ import annotations

import pytest

from sjs.gateway.web.conditions import Beyond, Span, is_known, prefers, span_of


@pytest.mark.parametrize(
    "header",
    ['"7-2"', 'W/"7-2"', '"7-1", "7-2"', '"a,b" ,W/"7-2"', "*", " * ", ', "7-2",', '"7-2"\t'],
)
def test_a_tag_is_known_when_it_is_named(header: str) -> None:
    assert is_known(header, '"7-2"')


@pytest.mark.parametrize(
    "header",
    [None, "", '"7-1"', '"17-2"', '"7-22"', "7-2", 'w/"7-2"', '"7-2', '"x\\"7-2"', '"7-2" "7-2"', '*, "7-2"', "**"],
)
def test_another_one_is_not_nor_what_is_no_tag(header: str | None) -> None:
    assert not is_known(header, '"7-2"')


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=3-5", 3, 6),
        ("bytes=3-", 3, 10),
        ("bytes=9-99", 9, 10),
        ("bytes=-4", 6, 10),
        ("bytes=-99", 0, 10),
        ("BYTES= 3-5 ", 3, 6),
    ],
)
def test_a_range_is_some_of_the_bytes(header: str, start: int, stop: int) -> None:
    assert span_of(header, 10) == Span(start, stop, 10)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0", f"bytes={10**18}-"])
def test_there_are_none_beyond_the_end(header: str) -> None:
    found = span_of(header, 10)
    assert isinstance(found, Beyond) and found.content_range == "bytes */10"


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=٣-"],
)
def test_what_is_no_range_says_nothing(header: str | None) -> None:
    assert span_of(header, 10) is None


def test_a_range_of_another_version_is_all_of_this_one() -> None:
    assert span_of("bytes=0-1", 10, '"a"', '"a"') == Span(0, 2, 10)
    assert span_of("bytes=0-1", 10, '"b"', '"a"') is None
    assert span_of("bytes=0-1", 10, 'W/"a"', None) is None


@pytest.mark.parametrize(
    ("header", "best"),
    [
        ("", "a/json"),
        ("*/*", "a/json"),
        ("a/csv", "a/csv"),
        ("A/CSV; charset=utf-8", "a/csv"),
        ("a/json, a/csv", "a/json"),
        ("a/csv, a/json", "a/json"),
        ("a/json;q=0.5, a/csv", "a/csv"),
        ("a/csv;q=0", "a/json"),
        ("a/csv;q=0.2, a/json;q=0.1", "a/csv"),
        ("a/csv;q=much", "a/json"),
        ("x/y, a/csv;q=0.001, */*", "a/csv"),
        (",;,q=1", "a/json"),
    ],
)
def test_the_kind_that_is_liked_best(header: str, best: str) -> None:
    assert prefers(header, ("a/json", "a/csv")) == best
