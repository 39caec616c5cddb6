from __future__ import annotations

from pathlib import Path

import pytest

from sjs.errors import UsageError
from sjs.making.words import command_and_sources, for_options, read_parameter


def read(*words: str) -> list[tuple[str, tuple[str, ...]]]:
    """The parameters in words that are nothing else."""
    found = [read_parameter(word.removeprefix("--param=")) for word in for_options(words)]
    return [(one.name, tuple(text for (text,) in one)) for one in found]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("-p lr 0.1 0.01", [("lr", ("0.1", "0.01"))]),
        ("-p a -1 -.5 -1e-3 -inf - -p b 2", [("a", ("-1", "-.5", "-1e-3", "-inf", "-")), ("b", ("2",))]),
        ("-p lr=0.1,0.01 --param=x=1 --param y 2 3", [("lr", ("0.1", "0.01")), ("x", ("1",)), ("y", ("2", "3"))]),
        ("-plr 1 -px=2,3", [("lr", ("1",)), ("x", ("2", "3"))]),
        ("-p f=--a,-b", [("f", ("--a", "-b"))]),
        ("-p c=choice:a,b", [("c", ("a", "b"))]),
        ("-p c=a=b", [("c", ("a=b",))]),
        ("-p u=https://x", [("u", ("https://x",))]),
    ],
)
def test_a_parameter_has_all_values_up_to_the_next_option(words: str, wanted: object) -> None:
    assert read(*words.split()) == wanted


def test_other_words_are_left_to_others() -> None:
    words = ["x", "-n", "y", "-p", "a", "1", "--samples", "3", "-p", "b", "2", "--", "c", "-p", "d", ":::", "e"]
    assert for_options(words) == [
        *("x", "-n", "y", '--param=["a", "1"]', "--samples", "3", '--param=["b", "2"]'),
        *("--", "c", "-p", "d", ":::", "e"),
    ]


def test_a_parameter_in_one_word_ends_with_it() -> None:
    assert for_options(["-p", "a=1,2", "c {a}"]) == ['--param=["a=1,2"]', "c {a}"]
    assert for_options(["-pa=1,2", "c {a}"]) == ['--param=["a=1,2"]', "c {a}"]


def test_sources_need_no_dashes_before_them() -> None:
    assert for_options(["c {}", "-p", "a", "1", ":::", "-x"]) == ["c {}", '--param=["a", "1"]', "--", ":::", "-x"]


@pytest.mark.parametrize("words", [["-p"], ["-p", "lr"], ["-p", "--", "x"], ["--param=1=2"], ["-p", "a", "int:1..x"]])
def test_what_is_no_parameter(words: list[str]) -> None:
    (first, *_) = for_options(words)
    with pytest.raises(ValueError, match="write it|no name|int"):
        read_parameter(first.removeprefix("--param="))


def test_values_stand_behind_their_marks(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1\n2\n")
    words = ["x", "{}", ":::", "a", "b", ":::+", "c", "d", "::::", str(path), str(path)]
    command, sources = command_and_sources(words, lambda name: (name, name))
    assert command == ["x", "{}"]
    assert [list(one) for one in sources] == [[("a", "c"), ("b", "d")], [("1",), ("2",)], [("1",), ("2",)]]


@pytest.mark.parametrize("words", [["x", ":::"], ["x", ":::", "a", "::::"], ["x", ":::+", "a"]])
def test_marks_need_values_and_a_beginning(words: list[str]) -> None:
    with pytest.raises(UsageError):
        command_and_sources(words, lambda name: (name, name))
