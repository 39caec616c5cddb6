from __future__ import annotations

import pytest

from sjs.core import login_shell


def test_plain_words_are_left_as_they_are() -> None:
    assert login_shell.line(["python3", "-I", "/a/b_c.py", "x=1,2:3@4+5"]) == "exec python3 -I /a/b_c.py x=1,2:3@4+5"


@pytest.mark.parametrize("word", ["", "two words", "$HOME", '["a"]', "a;b|c&d"])
def test_others_are_quoted(word: str) -> None:
    assert login_shell.line(["echo", word]) == f"exec echo '{word}'"


@pytest.mark.parametrize("word", ["it's", "a!b", "a\nb", "a\\b", "ä"])
def test_what_not_all_shells_would_pass_on_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="login shell"):
        login_shell.line(["echo", word])
