"""What jobs print, as pages show it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.web.pages.ansi import Lines
from sjs.gateway.web.pages.looks import PLAIN, Style, _contrast, styled, stylesheet
from sjs.gateway.web.pages.screen import COLUMNS, Place, Row, place_of


def shown(data: bytes, place: Place | None = None) -> list[list[tuple[str, str]]]:
    """All lines, the open one, too."""
    lines = Lines(place)
    ended = lines.feed(data)
    return [list(line) for _, line in (*ended, *lines.open)]


def text(data: bytes) -> list[str]:
    return ["".join(part for part, _ in line) for line in shown(data)]


def test_colours_and_weights() -> None:
    assert shown(b"a\x1b[1;31mb\x1b[0mc\n") == [[("a", ""), ("b", "f1 bold"), ("c", "")]]
    assert shown(b"\x1b[97;104mx\x1b[39my\x1b[49mz") == [[("x", "f15 g12"), ("y", "g12"), ("z", "")]]
    assert shown(b"\x1b[4;7mx\x1b[24my\x1b[m\x1b[2;3;9mz\x1b[22;23mw") == [
        [("x", "inverse under"), ("y", "inverse"), ("z", "faint italic struck"), ("w", "struck")]
    ]


def test_of_all_colours_the_nearest_of_256() -> None:
    for said, front in ((b"38;5;9", 9), (b"38;5;196", 196), (b"38;2;0;0;230", 20), (b"38;2;255;136;0", 208)):
        assert styled(PLAIN, said).front == front, said
    assert styled(PLAIN, b"38:2:255:255:255").front == 231
    assert styled(PLAIN, b"48;5;21;1") == Style(None, 21, ("bold",))
    for broken in (b"38", b"38;5", b"38;2;1;2", b"38;9;1", b"?1", b"1" * 65, b"999999"):
        assert styled(PLAIN, broken).front is None


def test_each_colour_has_its_rules_and_can_be_read() -> None:
    found = dict(re.findall(r"\.(f\d+) \{ --f: #([0-9a-f]{6}); \}", stylesheet()))
    assert sorted(int(one[1:]) for one in found) == list(range(16, 256))
    grounds = re.findall(r"\.(g\d+) \{ --g: #([0-9a-f]{6}); --i: #([0-9a-f]{6}); \}", stylesheet())
    assert sorted(int(one[0][1:]) for one in grounds) == list(range(16, 256))
    on_paper = [(name, said, "12151b") for name, said in found.items()]
    for name, one, other in (*on_paper, *grounds):
        (red, green, blue), (r, g, b) = bytes.fromhex(one), bytes.fromhex(other)
        assert _contrast((red, green, blue), (r, g, b)) >= 4.5, name
    assert found["f196"] == "ff0000" and ("g226", "ffff00", "000000") in grounds


def test_a_colour_goes_on_in_the_next_line() -> None:
    assert shown(b"\x1b[32ma\nb") == [[("a", "f2")], [("b", "f2")]]


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b"10%\r20%\r30%\n", ["30%"]),
        (b"dos\r\nunix\n", ["dos", "unix"]),
        (b"done\r", ["done"]),
        (b"long line\r\x1b[Kx", ["x"]),
        (b"gone\x1b[2Kx", ["    x"]),
        (b"helo\x08lo", ["hello"]),
        (b"\x08\x08a\xc3\xa9\x08b", ["ab"]),
        (b"N\x08N", ["N"]),
        (b"a\x00\x07\x7f\x0b\x0cb\tc", ["ab\tc"]),
        (b"a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\c", ["ablinkc"]),
        (b"a\xc2\x9dtitle\xc2\x9cb\xc2\x9b31mc\xc2\x85d", ["abcd"]),
        (b"a\x1bP+q544e\x1b\\b\x1b_x\x07c\x1b^y\x07d", ["abcd"]),
        (b"\x1b]never ends\nnext\n", ["", "next"]),
        (b"\x1b]never ends\x1b[1mnext\n", ["next"]),
        (b"\x1b[2J\x1b[1;1H\x1b[?25l\x1b[6nx\x1b(By\x1b7z\x1b=", ["xyz"]),
        (b"\x1b[31\x01x", ["x"]),
        (b"\xff\xfe \xe2\x82 \xc2 \xf0\x9f\x98\x80", ["\ufffd\ufffd \ufffd \ufffd \U0001f600"]),
        (b"<script>alert(1)</script>", ["<script>alert(1)</script>"]),
    ],
)
def test_what_is_no_text_is_not_shown(data: bytes, seen: list[str]) -> None:
    assert text(data) == seen


def test_a_line_without_end_goes_on_in_others() -> None:
    letters = "aä€😀" * 20_000
    lines = text(letters.encode())
    assert "".join(lines) == letters
    assert max(map(len, lines)) <= COLUMNS
    assert text(b"x" * COLUMNS + b"\ny") == ["x" * COLUMNS, "y"]


def test_what_never_ends_is_not_kept() -> None:
    for begin in (b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b ", b"\xc2\x9b"):
        lines = Lines()
        for _ in range(100):
            lines.feed(begin + b"1" * 10_000)
            assert len(vars(lines)["_pending"]) < 1_000
            begin = b""
        assert "ok" in "".join(part for _, line in (*lines.feed(b"\nok\n"), *lines.open) for part, _ in line)


MOVES = (b"\n", b"\r", b"\x08", b"\x1b[31m", b"\x1b[0m", b"\x1b[K", b"\x1b[2K", b"\xc2\x9b1m", b"\x00")
STRINGS = (b"\x1b]0;t\x07", b"\x1b]", b"\x1b\\", b"\xc2\x9c", b"\x1b", b"\xc2")
LETTERS = (b"a", b"text", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xe2\x82", b"x" * 5_000)
PIECES = st.lists(st.sampled_from([*MOVES, *STRINGS, *LETTERS]), max_size=30).map(b"".join)


@given(PIECES | st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=8))
def test_however_it_is_cut_it_is_the_same(data: bytes, cuts: list[int]) -> None:
    whole, parts = Lines(), Lines()
    at, found = 0, list[Row]()
    for cut in [*sorted(cuts), len(data)]:
        found += parts.feed(data[at:cut])
        at = max(at, cut)
    assert found == whole.feed(data)
    assert (parts.open, parts.place) == (whole.open, whole.place)


@given(st.binary(max_size=500))
def test_nothing_but_text_and_known_classes(data: bytes) -> None:
    for line in shown(data):
        for part, classes in line:
            assert not any(ord(letter) < 32 and letter != "\t" or 127 <= ord(letter) < 160 for letter in part)
            assert all(one.isalnum() for one in classes.split())


def test_what_is_no_place_is_none() -> None:
    assert place_of("0,0,0") == Place() and place_of("7,5,3;1;31") == Place(7, 5, 3, Style(1, None, ("bold",)))
    longest = Place(7, 5, 5, Style(200, 100, ("bold", "faint", "inverse", "italic", "struck", "under")))
    assert place_of(longest.text) == longest
    begin = "1,1,1"
    for wrong in ("", "0", "-1,0,0", "x", "1,1", "1,1,2", "1,51,1", f"{begin};", f"{begin};x", "9" * 16 + ",1,1"):
        assert place_of(wrong) is None, wrong
    for wrong in (begin + ";1" * 13, "١,1,1", f"{begin}\n"):
        assert place_of(wrong) is None, wrong
