from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.cli.tamer import Tamer
from sjs.cli.text import duration, ending, exit_code, exit_text, printable, row, tally
from sjs.core.job import End, Job, Spec


def job(state: str, end: End | None = None, command: str = "x") -> Job:
    return Job(
        5, Spec(command=command), state, submitted=0.0, started=10.0, ended=None if end is None else 75.0, end=end
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("echo hello", "echo hello"),
        ("grüße 漢字", "grüße 漢字"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_text_for_a_terminal_moves_nothing(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_printable(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (-3, "0:00"), (65, "1:05"), (3_723, "1:02:03"), (90_061, "1-01:01:01")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("found", "code", "text", "words"),
    [
        (job("succeeded", End("exit", 0)), 0, "0", "job 5 succeeded"),
        (job("failed", End("exit", 3)), 3, "3", "job 5 failed: exit status 3"),
        (job("failed", End("signal", signal=9)), 137, "KILL", "job 5 failed: ended by signal KILL"),
        (job("failed", End("signal", signal=99)), 227, "sig99", "job 5 failed: ended by signal sig99"),
        (job("failed", End("spawn-error", detail="no cwd")), 1, "-", "job 5 failed: spawn-error: no cwd"),
        (job("timeout", End("timeout", signal=15)), 124, "TERM", "job 5 timed out"),
        (job("timeout", End("timeout", 0)), 124, "0", "job 5 timed out"),
        (job("failed", End("oom", signal=9)), 137, "KILL", "job 5 failed: ended by signal KILL"),
        (job("cancelled", End("cancelled", signal=15)), 143, "TERM", "job 5 was cancelled"),
        (job("cancelled", End("cancelled", 0)), 1, "0", "job 5 was cancelled"),
        (job("cancelled", End("cancelled", 5)), 5, "5", "job 5 was cancelled"),
        (job("cancelled", End("cancelled")), 1, "-", "job 5 was cancelled"),
        (job("lost", End("host-lost")), 1, "-", "job 5 was lost"),
        (job("running"), 1, "-", "job 5 is running"),
        (job("queued"), 1, "-", "job 5 is waiting"),
    ],
)
def test_ends(found: Job, code: int, text: str, words: str) -> None:
    assert (exit_code(found), exit_text(found), ending(found)) == (code, text, words)


def test_a_row_is_one_line() -> None:
    assert row(job("failed", End("exit", 3), "a\nb"), now=99.0) == "     5 failed       3     1:05 a\\nb"
    assert row(job("running"), now=12.0) == "     5 running      -     0:02 x"


def test_a_tally_begins_with_what_matters() -> None:
    assert tally({"running": 1, "failed": 2, "succeeded": 3, "lost": 0}) == "3 succeeded, 2 failed, 1 running"
    assert tally({}) == "no jobs"


def tamed(data: bytes, cut: int) -> bytes:
    tamer = Tamer()
    return tamer.feed(data[:cut]) + tamer.feed(data[cut:]) + tamer.rest()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain\n\ttext\r\n", b"plain\n\ttext\r\n"),
        (b"\x1b[1;31mred\x1b[0m", b"\x1b[1;31mred\x1b[0m"),
        (b"a\x1b[2Jb\x1b[10;10Hc", b"abc"),
        (b"a\x1b]0;title\x07b\x1b]52;c;aGk=\x1b\\c", b"abc"),
        (b"a\x1bcb\x1b(0c", b"abc"),
        (b"a\x07\x08\x00b\x7f", b"ab"),
        ("grüße\x9bx".encode(), "grüßex".encode()),
        (b"\xff\xc2\x1b[2J\x9b", "\ufffd\ufffd\ufffd".encode()),
        (b"a\x1b[31\x1b[2Jm", b"a[31m"),
        (b"end\x1b[", b"end["),
    ],
)
def test_only_colours_reach_the_terminal_wherever_the_stream_is_cut(data: bytes, shown: bytes) -> None:
    assert {tamed(data, cut) for cut in range(len(data) + 1)} == {shown}


PARTS = [b"\x1b", b"[", b"]", b"31", b"m", b"H", b"x", b"\x07", b"\\", b";", b"\xc2", b"\x9b"]


@given(st.lists(st.sampled_from(PARTS)))
def test_no_escape_but_colours_is_left(parts: list[bytes]) -> None:
    tamer = Tamer()
    shown = b"".join(map(tamer.feed, parts)) + tamer.rest()
    assert b"\x1b" not in re.sub(rb"\x1b\[[0-9;:]*m", b"", shown)
    assert b"\xc2\x9b" not in shown


def test_an_endless_sequence_is_not_kept_for_ever() -> None:
    tamer = Tamer()
    assert len(tamer.feed(b"\x1b]" + b"x" * 100_000)) > 90_000
