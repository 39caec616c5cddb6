from __future__ import annotations

import pytest

from sjs.core.places import NUMBER, SLOT, Place, filled, pieces
from sjs.errors import UsageError

NAMES = ["lr", "path"]
ROW = ["0.1", "/x/y z/f.tar.gz", "render"]


def words(*said: str) -> tuple[str, ...]:
    return filled([pieces(word, NAMES, ["stage"]) for word in said], ROW, 7)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("{lr}", ("0.1",)),
        ("a{2}b", ("a/x/y z/f.tar.gzb",)),
        ("{#}", ("7",)),
        ("{stage}", ("render",)),
        ("{}", ("0.1", "/x/y z/f.tar.gz")),
        ("-{}-", ("-0.1", "/x/y z/f.tar.gz-")),
        ("{path.}", ("/x/y z/f.tar",)),
        ("{path/}", ("f.tar.gz",)),
        ("{path//}", ("/x/y z",)),
        ("{path/.}", ("f.tar",)),
        ("{lr//}", (".",)),
        ("{{lr}} {{x}} {{a,b}}", ("{lr} {x} {{a,b}}",)),
        ("{a,b} ${lr} { ls; } {1..5} {x:y}", ("{a,b} ${lr} { ls; } {1..5} {x:y}",)),
        ("{a\0b}", ("{a\0b}",)),
        ("", ("",)),
        ("$(ls)", ("$(ls)",)),
    ],
)
def test_words_are_filled_in(said: str, wanted: tuple[str, ...]) -> None:
    assert words(said) == wanted


@pytest.mark.parametrize(("path", "folder"), [("/", "/"), ("", "."), ("a/", "."), ("/a", "/"), ("a//b", "a")])
def test_a_folder_is_that_of_perl(path: str, folder: str) -> None:
    assert filled([pieces("{1//}", ["x"])], [path], 1) == (folder,)


def test_without_values_nothing_is_left_of_their_place() -> None:
    assert filled([pieces("a{}b", [], ["stage"])], ["render"], 1) == ("ab",)


def test_number_and_slot_are_no_columns() -> None:
    assert pieces("{#}{%}", NAMES) == [Place("{#}", kind=NUMBER), Place("{%}", kind=SLOT)]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("{3}", "there is no {3} (each job has 2 values; {{3}} stands for {3})"),
        ("{l}", "unknown {l}; did you mean lr? (there is {lr}, {path}, {stage}; {{l}} stands for {l})"),
        ("{lr:.2f}", "{lr:.2f}: a value stands as it is, without a form ({lr}; {{lr:.2f}} stands for {lr:.2f})"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        words(said)
    assert str(caught.value) == what


def test_where_nothing_has_a_name_none_is_offered() -> None:
    with pytest.raises(UsageError) as caught:
        pieces("{lr}", [])
    assert str(caught.value) == "unknown {lr} ({{lr}} stands for {lr})"
