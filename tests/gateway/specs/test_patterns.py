"""Patterns mean what Python's mean, and none of them takes long."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.gateway.specs import patterns
from sjs.gateway.specs.patterns import pattern

LETTERS = st.sampled_from(list("ab01-_ \n.é"))
ATOMS = st.sampled_from(
    ["a", "b", "é", ".", r"\.", r"\-", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\x61", r"é", r"\n"]
    + ["[ab]", "[^ab]", "[a-b0]", r"[\d-]", r"[-a]", r"[^\w]", r"[\W]", r"[\]\[]", "[b-é]", " "]
)


def grown(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}", "{2,3}"])
    group = st.tuples(st.sampled_from(["(", "(?:"]), smaller).map(lambda both: f"{both[0]}{both[1]})")
    return st.one_of(
        st.lists(smaller, max_size=3).map("".join),
        st.lists(smaller, min_size=2, max_size=3).map("|".join),
        st.tuples(st.one_of(ATOMS, group), signs).map("".join),
        group,
    )


PATTERNS = st.recursive(ATOMS, grown, max_leaves=6)


@settings(max_examples=150)
@given(PATTERNS, st.lists(st.text(LETTERS, max_size=6), min_size=1, max_size=12))
def test_they_fit_what_pythons_fit(text: str, values: list[str]) -> None:
    ours, python = pattern(text), re.compile(text, re.ASCII)
    portable = re.compile(ours.portable)
    for value in values:
        fits = python.fullmatch(value) is not None
        assert ours.fits(value) is fits, value
        assert (portable.fullmatch(value) is not None) is fits, (ours.portable, value)


SHORT = ["".join(letters) for size in range(6) for letters in itertools.product("ab-", repeat=size)]


@pytest.mark.parametrize(
    "text",
    ["", "a", "ab?", "a?b", "a?b?", "a*b?", "(ab)*", "(a?b)*a?", "a{2}", "a{0,2}", "a{1,3}b{0,1}", "a{2,}", "(ab?){2}"]
    + [
        "a|b",
        "a|",
        "|ab",
        "(a|b-)*",
        "(a*)*b",
        "(a|ab)(b|-)",
        "(a{0,2}b?){1,2}",
        "a+b+|-*",
        "[^a]*",
        "(a?){3}",
        "[-a]+b",
    ]
    + ["((a|b)?-)*", "(a*b*)*", "a*a?a", "(|a)+", "((a?b?)|-)*a", "a{0}b", "(a{0})*", "(a?b?){2}-{0,2}"],
)
def test_of_all_short_texts_they_fit_those_that_pythons_fit(text: str) -> None:
    ours, python = pattern(text), re.compile(text)
    assert [one for one in SHORT if ours.fits(one)] == [one for one in SHORT if python.fullmatch(one)]


@pytest.mark.parametrize(
    "text", ["(a+)+b", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)(.*)(.*)b", "(a|aa)+b", "(a{0,20}){0,40}b"]
)
def test_none_takes_long(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: each letter of the value is asked for once at each place, and sets of places are joined once for
    each."""
    seen: list[int] = []
    join = patterns._bits

    def counted(mask: int) -> list[int]:
        seen.append(mask)
        return join(mask)

    fits = pattern(text).fits
    monkeypatch.setattr(patterns, "_bits", counted)
    assert not fits("a" * 4_000)
    assert len(seen) <= 4_000
    assert fits("a" * 500 + "b")


@pytest.mark.parametrize("text", ["^ab$", "^ab", "ab$", "ab"])
def test_a_beginning_and_an_end_say_what_holds_anyway(text: str) -> None:
    assert [pattern(text).fits(value) for value in ("ab", "xab", "abx", "ab\n")] == [True, False, False, False]
    assert pattern(r"a\$").fits("a$")
    assert pattern("a\\\\$").fits("a\\")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("(a", "'(' is not closed"),
        ("a)", "')' closes nothing"),
        ("[a", "'[' is not closed"),
        ("[]", "[] has no letters"),
        ("[^]]", "[] has no letters"),
        ("[[:alpha:]]", "[ in [] is not understood"),
        ("[z-a]", "goes from one letter to a later one"),
        (r"[\d-z]", "goes from one letter to a later one"),
        ("*a", "'*' is not understood where it stands"),
        ("a**", "'*' after '*' is not understood"),
        ("a+?", "'?' after '+' is not understood"),
        ("a{", "'{' is to say how often"),
        ("a{,3}", "'{' is to say how often"),
        ("a{3,2}", "the lower number comes first"),
        ("a}", "'}' is not understood where it stands"),
        ("(?=a)", "groups that begin with (?"),
        ("(?P<n>a)", "groups that begin with (?"),
        (r"(a)\1", r"\1 is not understood"),
        (r"\b", r"\b is not understood"),
        ("\\", "\\ stands before nothing"),
        ("[\\", "\\ stands before nothing"),
        ("a^b", "'^' is not understood where it stands"),
        ("a$b", "'$' is not understood where it stands"),
        ("(a$)", "'$' is not understood where it stands"),
        ("a" * 501, "at most 500 letters"),
        ("(a{100}){100}", "written out it has more than 1000 letters"),
        ("(" * 31 + ")" * 31, "more than 30 deep"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        pattern(text)


@given(st.text(st.sampled_from(list("ab()[]{}|*+?^$\\-.,0123\x00é")), max_size=12))
def test_any_text_is_a_pattern_or_refused_in_one_line(text: str) -> None:
    try:
        found = pattern(text)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert re.compile(found.portable)
        assert isinstance(found.fits("ab"), bool)


def test_a_pattern_shows_its_text() -> None:
    assert repr(pattern("a+")) == "Pattern(text='a+', portable='(?:a){1,}')"
