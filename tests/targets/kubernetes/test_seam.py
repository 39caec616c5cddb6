"""Lines of one output, put together of several requests that begin before the ends of those before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sjs.targets.kubernetes import seam
from sjs.targets.kubernetes.seam import Seam, parted


def line(at: str, text: str, zone: str = "Z") -> bytes:
    return f"2026-11-21T02:24:{at}{zone} {text}\n".encode()


def taken(one: Seam, *data: bytes) -> bytes:
    return b"".join(part for piece in data for part in one.take(piece))


ALL = [
    line("50.000000001", "a"),
    line("50.000000001", "a"),  # at the very same time
    line("51.300000002", "out"),
    line("51.300000001", "err"),  # of the other writer, who was a little quicker
    line("51.3", "b"),
    line("52.9", ""),
    line("52.900000000", "same"),
]


@pytest.mark.parametrize("cut", range(len(b"".join(ALL)) + 1))
def test_each_line_comes_once_wherever_the_first_request_ends(cut: int) -> None:
    one = Seam()
    whole = b"".join(ALL)
    found = taken(one, whole[:cut])
    since = one.since.encode()
    one.begin()
    again = [text for text in ALL if text[:20] >= since] if since else ALL
    found += taken(one, *again)
    found += b"".join(one.end())
    assert found == b"".join(text.partition(b" ")[2] for text in ALL)
    assert not one.misses and not one.words


def test_one_begins_a_second_earlier_wherever_the_node_is() -> None:
    one = Seam()
    taken(one, line("51.5", "x", "+02:00"))
    assert one.since == "2026-11-21T00:24:50Z"
    taken(one, line("51.5", "y", "-01:30"))
    assert one.since == "2026-11-21T03:54:50Z"


def test_a_clock_that_is_put_back_for_the_winter_loses_nothing() -> None:
    one = Seam()
    found = taken(one, b"2026-10-25T02:59:59.5+02:00 a\n")
    one.begin()
    found += taken(one, b"2026-10-25T02:59:59.5+02:00 a\n", b"2026-10-25T02:00:00.5+01:00 b\n")
    assert found == b"a\nb\n"


def test_a_line_without_end_is_given_out_in_parts_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "MAX_HELD", 40)
    one = Seam()
    start = line("50.1", "a") + line("51.5", "0123456789" * 5)[:-1]
    found = taken(one, *(start[place : place + 7] for place in range(0, len(start), 7)))
    assert found.startswith(b"a\n01234")
    one.begin()
    found += taken(one, start + b"more", b"\n", line("51.6", "next"))
    assert found == b"a\n" + b"0123456789" * 5 + b"more\nnext\n"


def test_the_rest_of_a_long_line_is_new_only_to_who_has_not_read_it() -> None:
    data = b"rest of it\n", line("50.5", "a")
    one = Seam(has_head=True)
    assert taken(one, *data) == b"rest of it\na\n"
    one.begin()
    assert taken(one, *data, line("50.6", "b")) == b"b\n"


def test_what_a_node_says_is_no_output() -> None:
    one = Seam()
    assert taken(one, b"unable to retrieve\n container logs") == b""
    assert one.words == "unable to retrieve container logs"
    one.begin()
    assert taken(one, line("50.5", "a") + b"too many open files") == b"a\n"
    assert one.words == "too many open files"
    assert b"".join(one.end()) == b""
    one.begin()
    assert one.words == ""


@pytest.mark.parametrize(
    ("then", "misses"),
    [
        ([line("50.5", "a"), line("50.6", "b")], False),
        ([line("50.6", "b")], True),
        ([], True),
    ],
)
def test_it_is_known_when_something_may_be_missing(then: Sequence[bytes], misses: bool) -> None:
    one = Seam()
    taken(one, line("50.5", "a"))
    one.begin()
    taken(one, *then)
    list(one.end())
    assert one.misses is misses


def test_another_container_begins_anew_and_misses_nothing() -> None:
    one = Seam()
    taken(one, line("50.5", "a"))
    one.begin(is_other=True)
    assert taken(one, line("50.6", "a")) == b"a\n"
    assert not one.misses


def test_who_has_begun_with_the_last_lines_is_not_shown_those_before_later() -> None:
    one = Seam()
    taken(one, line("50.5", "c"))
    one.begin()
    assert taken(one, line("50.1", "a"), line("50.2", "b"), line("50.5", "c"), line("50.6", "d")) == b"d\n"
    assert not one.misses


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"1970-01-01T00:00:01.000000001Z a b", (10**9 + 1, b"a b")),
        (b"1970-01-01T02:00:01.5+02:00 ", (15 * 10**8, b"")),
        (b"rest of a long line", (None, b"rest of a long line")),
        (b"word", (None, b"word")),
    ],
)
def test_a_line_has_a_time_or_none(data: bytes, parts: tuple[int | None, bytes]) -> None:
    assert parted(data) == parts
