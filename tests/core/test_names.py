from __future__ import annotations

import pytest

from sjs.core.names import Known, expand, groups_in, suggestion
from sjs.errors import UsageError

KNOWN = Known(
    names=["gpu1", "gpu2", "node01", "node02", "node1", "node2", "node3", "node7", "n1r1", "n1r2", "n2r1", "local"],
    everyone=["gpu1", "gpu2", "node01", "node02", "node1", "node2", "node3", "node7", "n1r1", "n1r2", "n2r1"],
    groups={
        "gpus": "gpu*",
        "old": "node[01-02]",
        "both": "@gpus,@old",
        "most": "all,!@both",
        "home": "local",
        "a": "@b",
        "b": "gpu1,@c",
        "c": "@a",
        "broken": "nobody",
    },
)
ALL = list(KNOWN.everyone)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("gpu1", "gpu1"),
        ("local", "local"),
        ("node1,gpu1,node1", "gpu1 node1"),
        ("gpu*", "gpu1 gpu2"),
        ("*1", "gpu1 node01 node1 n1r1 n2r1"),
        ("gpu?", "gpu1 gpu2"),
        ("node?", "node1 node2 node3 node7"),
        ("node[1-3,7]", "node1 node2 node3 node7"),
        ("node[7],gpu[1-2]", "gpu1 gpu2 node7"),
        ("node[01-02]", "node01 node02"),
        ("n[1]r[1-2]", "n1r1 n1r2"),
        ("*[2]", "gpu2 node02 node2 n1r2"),
        ("@gpus", "gpu1 gpu2"),
        ("@both,node1", "gpu1 gpu2 node01 node02 node1"),
        ("@home,gpu1", "gpu1 local"),
        ("gpu*,!gpu2", "gpu1"),
        ("!gpu2,gpu*", "gpu1"),
        ("@both,!node[01-02]", "gpu1 gpu2"),
        ("@most,!n*", None),
        ("all", " ".join(ALL)),
        ("*", " ".join(ALL)),
        ("all,local", " ".join([*ALL, "local"])),
        ("!@both,!node*", "n1r1 n1r2 n2r1"),
    ],
)
def test_a_set_stands_for_names_in_the_order_of_the_config(word: str, names: str | None) -> None:
    if names is None:
        with pytest.raises(UsageError, match="leaves nobody"):
            expand(word, KNOWN)
    else:
        assert expand(word, KNOWN) == names.split()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "unknown target ''"),
        ("gpu1,", "unknown target ''"),
        ("gpu11", "unknown target 'gpu11'; did you mean gpu1?"),
        ("x*", "unknown target 'x*'"),
        ("loc*", "unknown target 'loc*'"),
        ("node[1-9]", "unknown target 'node4'"),
        ("node[1-999999999]", "unknown target 'node4'"),
        ("node[3-1]", "counts no numbers"),
        ("node[a]", "unknown target 'node[a]'"),
        ("node[1", "unknown target 'node[1'"),
        ("gpu.", "unknown target 'gpu.'"),
        ("gpu1,!nobody", "unknown target 'nobody'"),
        ("!all", "leaves nobody"),
        ("gpu1,!gpu1", "leaves nobody"),
        ("any,gpu1", "say any:SET"),
        ("@gpu", "unknown group '@gpu'; did you mean gpus? (the groups are gpus, old"),
        ("@a", "made of itself: @a -> @b -> @c -> @a"),
        ("@broken", "unknown target 'nobody'"),
    ],
)
def test_what_is_no_set_is_said(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        expand(word, KNOWN)
    assert message in str(caught.value)


def test_without_groups_the_hint_says_so() -> None:
    with pytest.raises(UsageError, match="the config has no groups"):
        expand("@gpus", Known(["a"], ["a"]))


def test_a_near_word_is_suggested() -> None:
    assert suggestion("stauts", ["status", "stop"]) == "; did you mean status?"
    assert suggestion("xyz", ["status"]) == ""


def test_the_groups_of_a_set_are_those_that_it_does_not_leave_out() -> None:
    assert groups_in("@gpus,node[1,2],!@old,@home") == ["gpus", "home"]
    assert groups_in("all") == []
