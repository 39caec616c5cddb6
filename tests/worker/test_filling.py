from __future__ import annotations

from typing import Any

import pytest

from sjs.errors import UsageError
from sjs.worker.filling import fill

BESIDE = {"item": "7", "stage": "encode", "pipeline": "renders", "file": "a b/c.mov"}


@pytest.mark.parametrize(
    ("command", "words", "wanted"),
    [
        ({"lr": 0.1, "name": "a b"}, ["x", "--lr={lr}", "{name}", "{#}"], ("x", "--lr=0.1", "a b", "7")),
        ({"lr": 0.1, "name": "a b"}, ["x", "{}"], ("x", "0.1", "a b")),
        ({"deep": {"a": [1, None]}, "on": True}, ["x", "{deep}", "{on}"], ("x", '{"a":[1,null]}', "true")),
        (["a", 2], ["x", "{2}", "{1}", "{}"], ("x", "2", "a", "a", "2")),
        ("/p/q.tar.gz", ["x", "{}", "{/}", "{1.}"], ("x", "/p/q.tar.gz", "q.tar.gz", "/p/q.tar")),
        (None, ["x", "-{}-"], ("x", "--")),
        (None, ["x", "{item}", "{stage}", "{pipeline}", "{file/}"], ("x", "7", "encode", "renders", "c.mov")),
        ({"stage": "own"}, ["x", "{stage}", "{}"], ("x", "own", "own")),
        ("$(rm -rf /); `x`", ["x", "{}"], ("x", "$(rm -rf /); `x`")),
        ({"a": ""}, ["x", "{a}", "{{a}}", "${a}"], ("x", "", "{a}", "${a}")),
    ],
)
def test_values_of_an_item_stand_in_their_places(command: Any, words: list[str], wanted: tuple[str, ...]) -> None:
    assert fill(words, command, 7, BESIDE) == wanted


@pytest.mark.parametrize(
    ("command", "words", "what"),
    [
        ({"lr": 1}, ["x", "{rate}"], "unknown {rate}"),
        (["a"], ["x", "{2}"], "there is no {2}"),
        (None, ["x", "{%}"], "{%} is for sweeps: an item has no slot"),
        ("a\0b", ["x", "{}"], "a value has a NUL in it, which no command can be given"),
        ("", ["{}"], "the item leaves no command"),
        (None, ["{}"], "the item leaves no command"),
    ],
)
def test_an_item_that_leaves_no_command_is_refused(command: Any, words: list[str], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        fill(words, command, 7, BESIDE)
    assert what in str(caught.value)
