"""What can still be changed of what a job has printed, beside a terminal. tests/data/terminal has what programs wrote,
byte for byte: tqdm 4.70, rich 15, pip 23.2, wget 1.21, apt 2.6, the last three at a terminal of 80 columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pyte
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sjs.gateway.web.pages.ansi import Lines
from sjs.gateway.web.pages.printed import AT_ONCE, MOST_HEARD, Telling, shown
from sjs.gateway.web.pages.screen import COLUMNS, MOST_PARTS, ROWS, WIDE, Place, Row, inside, place_of

DATA = Path(__file__).parents[3] / "data" / "terminal"
RECORDED = sorted(one.name for one in DATA.iterdir())
LIVE = ("rich-progress.bin", "tqdm-nested.bin", "tqdm-positions.bin")
"""Those that go up again."""

WIDTH = 200

DOCKER = b"".join(
    b"\x1b[%dA\x1b[2K\r%s: %s\r\x1b[%dB" % (3 - n, layer, what, 3 - n)
    for what in (b"Downloading [=>    ] 1MB/9MB", b"Verifying Checksum", b"Pull complete")
    for n, layer in enumerate((b"a3ed95caeb02", b"1b930d010525", b"e8acddb86c84"))
)
"""As `docker pull` writes at a terminal."""


def texts(rows: Iterable[Row]) -> list[str]:
    """As a terminal shows them, without what nobody sees."""
    found = ["".join(text for text, _ in line).expandtabs(8).rstrip() for _, line in rows]
    while found and not found[-1]:
        found.pop()
    return found


def ours(data: bytes) -> list[str]:
    lines = Lines()
    return texts([*lines.feed(data), *lines.open])


def theirs(data: bytes) -> list[str]:
    """What a terminal of as many rows shows, and what has left it above."""
    screen = pyte.HistoryScreen(WIDTH, ROWS, history=100_000, ratio=0.5)
    screen.set_mode(pyte.modes.LNM)  # a job's output is no terminal, whose driver would make \r\n of \n
    pyte.ByteStream(screen).feed(data)
    above = ["".join(row[column].data for column in range(WIDTH)) for row in screen.history.top]
    found = [one.rstrip() for one in [*above, *screen.display]]
    while found and not found[-1]:
        found.pop()
    return found


@pytest.mark.parametrize("name", RECORDED)
def test_programs_look_as_at_a_terminal(name: str) -> None:
    """At each moment, not only at the end."""
    data = (DATA / name).read_bytes()
    data = b"".join(letter for letter in _without_strings(data))
    ends = [at for at, letter in enumerate(data, 1) if letter in b"\r\n"]
    for end in [*ends[:: max(1, len(ends) // 40)], len(data)]:
        assert ours(data[:end]) == theirs(data[:end]), end


def _without_strings(data: bytes) -> Iterable[bytes]:
    """pyte does not know the links that rich writes."""
    head, *others = data.split(b"\x1b]8;")
    yield head
    for other in others:
        yield other.partition(b"\x1b\\")[2]


def test_what_docker_writes_is_a_line_for_each_layer() -> None:
    data = b"Using default tag: latest\n\n\n\n" + DOCKER
    layers = ["a3ed95caeb02: Pull complete", "1b930d010525: Pull complete", "e8acddb86c84: Pull complete"]
    assert ours(data) == theirs(data) == ["Using default tag: latest", *layers]


UP = (b"\x1b[A", b"\x1b[3A", b"\x1b[F", b"\x1b[60A")
DOWN = (b"\x1b[B", b"\x1b[2B", b"\x1b[E")
SIDE = (b"\r", b"\x08", b"\x1b[2C", b"\x1b[3D", b"\x1b[5G", b"\x1b[G", b"\x1b[0C")
GONE = (b"\x1b[K", b"\x1b[1K", b"\x1b[2K", b"\x1b[J", b"\x1b[0J")
OTHER = (b"\n", b"\n", b"\t", b"\x1b[31m", b"\x1b[m", b"\x1b[?25l", "é".encode(), b"a", b"some text")
FULL = b"\n" * ROWS


@given(st.lists(st.sampled_from([*UP, *SIDE, *GONE, *OTHER]), max_size=60).map(b"".join))
def test_whatever_is_printed_looks_as_at_a_terminal(data: bytes) -> None:
    assert ours(data) == theirs(data)


@given(st.lists(st.sampled_from([*UP, *DOWN, *SIDE, *GONE, *OTHER]), max_size=60).map(b"".join))
def test_ways_down_too_where_the_screen_is_full(data: bytes) -> None:
    """Before that a terminal goes on below the last line, and how far depends on its height."""
    assert ours(FULL + data) == theirs(FULL + data)


WIDE_ONES = (
    "\u8a13".encode(),
    b"\xe2\x82",
    "e\u0301".encode(),
    "\u0301".encode(),
    b"\x1b",
    b"\x1b]0;t\x07",
    b"x" * 5_000,
)
ANY = st.lists(st.sampled_from([*UP, *DOWN, *SIDE, *GONE, *OTHER, FULL, *WIDE_ONES]), max_size=30).map(b"".join)


@given(ANY, ANY)
@example(b"x" * COLUMNS, b"\x1b[A")
def test_who_goes_on_at_a_place_sees_what_comes(first: bytes, second: bytes) -> None:
    """Also in another process, which knows nothing but the place."""
    lines = Lines()
    lines.feed(first)
    place = place_of(lines.place.text)
    assert place == lines.place
    again = Lines(place)
    assert again.feed((first + second)[place.offset :]) == lines.feed(second)
    assert (again.open, again.place) == (lines.open, lines.place)


class Reader:
    """What static/output.js does."""

    def __init__(self, rows: Iterable[Row] = (), first: int = 0) -> None:
        self.seen = [(number if number >= first else None, line) for number, line in rows]
        self.place = ""

    def hear(self, event: bytes) -> None:
        head, _, said = event.decode().partition("\ndata: ")
        self.place = head.removeprefix("id: ")
        told = json.loads(said)
        for number, line in reversed(told["rows"]):
            numbers = [known for known, _ in self.seen]
            parts = [tuple(part) for part in line]
            if number in numbers:
                self.seen[numbers.index(number)] = (number, parts)
            elif number + 1 in numbers:
                self.seen.insert(numbers.index(number + 1), (number, parts))
            else:
                self.seen.append((number, parts))
        gone = [one for one in self.seen if one[0] is None or one[0] < told["end"]]
        self.seen = [(None if known is None or known < told["top"] else known, line) for known, line in gone]

    @property
    def lines(self) -> list[list[tuple[str, str]]]:
        return [list(line) for _, line in self.seen]


@given(ANY | st.sampled_from([(DATA / name).read_bytes() for name in LIVE]), st.lists(st.integers(0, 7_000)), st.data())
def test_a_reader_sees_it_however_it_comes(data: bytes, cuts: list[int], chance: st.DataObject) -> None:
    """In pieces, cut off and come again, from the page on or from the beginning: the same as who has all at once."""
    opened = chance.draw(st.integers(0, len(data)))
    tail = shown(data[:opened], 0)
    reader, telling, at = Reader(tail.rows, tail.first), Telling(tail.place), tail.place.offset
    for cut in [*sorted(cuts), len(data)]:
        telling.hear(data[at:cut])
        at = max(at, min(cut, len(data)))
        reader.hear(telling.event())
        if chance.draw(st.booleans()):
            place = place_of(reader.place)
            assert place is not None
            telling, at = Telling(place), place.offset
    telling.hear(data[at:])
    reader.hear(telling.event())
    lines = Lines()
    every = [*lines.feed(data), *lines.open]
    assert reader.lines == [list(line) for _, line in every]


@pytest.mark.parametrize("name", LIVE)
def test_who_opens_the_page_late_sees_the_same_bars(name: str) -> None:
    """Wherever the end of it begins that a page has: what was written since is where it is at a terminal."""
    data = (DATA / name).read_bytes()
    whole = ours(data)
    for start in range(1, len(data) - 2_500, 97):
        found = texts(shown(data[start:], start).rows)
        assert found[-3:] == whole[-3:], start


def test_numbers_of_who_begins_at_the_end_are_above_all_others() -> None:
    lines = Lines()
    lines.feed(b"\n" * 1_000)
    late = inside(1_000)
    assert late.first >= lines.place.row and place_of(late.text) == late and inside(0) == Place()


def test_much_at_once_is_left_out_and_said_so() -> None:
    telling = Telling(Place())
    telling.hear(b"%d\n" * 3 * (MOST_HEARD // 3))
    told = json.loads(telling.event().decode().partition("data: ")[2])
    assert len(told["rows"]) == AT_ONCE + ROWS - 1
    assert told["gap"] == f"{MOST_HEARD // 3 * 3 - ROWS + 1 - AT_ONCE} lines are left out here"
    again = json.loads(telling.event().decode().partition("data: ")[2])
    assert (again["rows"], again["gap"]) == ([], "")


def test_what_has_not_changed_is_not_told_again() -> None:
    telling = Telling(Place())
    telling.hear(b"one\ntwo\n" + b"\n" * ROWS)
    telling.event()
    telling.hear(b"\x1b[3Athree\n\n")
    told = json.loads(telling.event().decode().partition("data: ")[2])
    assert [line for _, line in told["rows"]] == [[["three", ""]]]


def test_letters_that_are_wide_or_have_no_width() -> None:
    assert ours("\u8a13\u7df4 1%\r\u8a13\u7df4 2%".encode()) == ["\u8a13\u7df4 2%"]
    assert ours("\u8a13\u7df4x\r abc".encode()) == [" abcx"]
    assert ours("\u8a13\u7df4x\r\x1b[Cab".encode()) == [" ab x"]
    assert ours("e\u0301x\x08\x08i".encode()) == ["ix"]
    assert ours("\u0301a".encode()) == ["\u0301a"]
    assert ours(("a" + "\u0301" * 7).encode()) == ["a" + "\u0301" * 7]
    assert ours("\U0001f468\u200d\U0001f469 ok\r".encode()) == ["\U0001f468\u200d\U0001f469 ok"]
    assert ours(b"a\tb\r\x1b[3Cc") == ["a  c    b"]
    assert ours(b"abcdefghij\r\tX") == ["abcdefghXj"]


def test_it_has_its_bounds() -> None:
    lines = Lines()
    lines.feed(b"\x1b[9999Cx\x1b[9999Cy" + b"\n" * 1_000)
    assert len(lines.open) < ROWS
    lines = Lines()
    lines.feed(b"\x1b[9999Cx")
    assert [len("".join(text for text, _ in line)) for _, line in lines.open] == [WIDE + 1]
    lines = Lines()
    ended = lines.feed(b"z" * (COLUMNS * (ROWS + 2)))
    assert [len(line[0][0]) for _, line in [*ended, *lines.open]] == [COLUMNS] * (ROWS + 2)
    lines = Lines()
    lines.feed(b"".join(b"\x1b[%dmx" % (31 + n % 2) for n in range(3 * MOST_PARTS)))
    [(_, line)] = lines.open
    assert len(line) == MOST_PARTS + 1 and line[-1] == ("x" * 2 * MOST_PARTS, "")
