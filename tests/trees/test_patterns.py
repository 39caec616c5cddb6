from __future__ import annotations

import pytest

from sjs.errors import BadRequest
from sjs.trees.patterns import is_match, literal, patterns


@pytest.mark.parametrize(
    ("word", "path", "matches"),
    [
        ("*.log", "a.log", True),
        ("*.log", "sub/a.log", False),
        ("*", ".hidden", False),
        (".*", ".hidden", True),
        ("**", ".hidden/x", False),
        ("**", "a/b/c", True),
        ("**/*.log", "a.log", True),
        ("**/*.log", "a/b/c.log", True),
        ("**/*.log", "a/.git/c.log", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**", "a/b", True),
        ("a/**", "a", False),
        ("model", "model/deep/x", True),
        ("model/", "model/.cache/x", True),
        ("./model", "model", True),
        ("[ab]?", "b1", True),
        ("[ab]?", "c1", False),
        ("x\ny", "x\ny", True),
        ("\udcff*", "\udcffa", True),
    ],
)
def test_what_matches(word: str, path: str, matches: bool) -> None:
    assert is_match(word, path) is matches


@pytest.mark.parametrize("word", ["", "/etc/passwd", "../x", "a/../../x", ".", "./"])
def test_what_leads_out_is_no_pattern(word: str) -> None:
    with pytest.raises(BadRequest, match="below a folder"):
        patterns([word])


@pytest.mark.parametrize("name", ["a[b]*?", "**", "*", "[!x]", "plain"])
def test_a_name_means_itself_alone(name: str) -> None:
    assert is_match(literal(name), name)
    assert not is_match(literal(name), "other")
