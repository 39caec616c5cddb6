from __future__ import annotations

import pytest

from sjs.making.parameters import parameter


def values(*words: str) -> list[str]:
    return [text for (text,) in parameter("x", words)]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["0.1", "1e-3", "", "a b"], ["0.1", "1e-3", "", "a b"]),
        (["choice:a,b c,"], ["a", "b c", ""]),
        (["choice:log:1"], ["log:1"]),
        (["int:1..4"], ["1", "2", "3", "4"]),
        (["int:1..10:4"], ["1", "4", "7", "10"]),
        (["int:3..-1:3"], ["3", "1", "-1"]),
        (["int:1..3:9"], ["1", "2", "3"]),
        (["int:5..9:1"], ["5"]),
        (["uniform:0..1:5"], ["0", "0.25", "0.5", "0.75", "1"]),
        (["uniform:0..1:11"], [f"{tenths / 10:g}" for tenths in range(11)]),
        (["uniform:-1..-2:2"], ["-1", "-2"]),
        (["log:1e-4..1e-1:4"], ["0.0001", "0.001", "0.01", "0.1"]),
        (["log:100..1:3"], ["100", "10", "1"]),
        (["log:.5...5:1"], ["0.5"]),
        (["https://x", "int", "1:2"], ["https://x", "int", "1:2"]),
    ],
)
def test_what_its_values_are(words: list[str], wanted: list[str]) -> None:
    assert values(*words) == wanted
    assert parameter("x", words).count == len(wanted)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "x has no values"),
        (["int:1..x"], "'int:1..x': int: takes whole numbers"),
        (["int:1"], "write it as int:1..10"),
        (["uniform:0..1:0"], "write it as uniform:0..1:5"),
        (["uniform:a..1"], "'a' is no number"),
        (["uniform:0..inf"], "'inf' is no number"),
        (["log:0..1"], "above 0"),
        (["int:1..3", "5"], "a range goes alone"),
    ],
)
def test_what_is_no_value_is_told(words: list[str], what: str) -> None:
    with pytest.raises(ValueError, match="x") as error:
        parameter("x", words)
    assert what in str(error.value)


@pytest.mark.parametrize("name", ["", "1", "a b", "a/b", "lr{"])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(ValueError, match="can be no name"):
        parameter(name, ["1"])


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("int:1..10", {0.0: "1", 0.999: "10", 0.5: "6"}),
        ("uniform:2..4", {0.0: "2", 0.5: "3"}),
        ("uniform:0..1:3", {0.0: "0", 0.34: "0.5", 0.99: "1"}),
        ("log:1..100", {0.0: "1", 0.5: "10"}),
        ("choice:a,b", {0.49: "a", 0.5: "b"}),
    ],
)
def test_a_value_is_drawn_by_a_fraction(word: str, wanted: dict[float, str]) -> None:
    drawn = parameter("x", [word]).values.drawn
    assert {fraction: drawn(fraction) for fraction in wanted} == wanted
