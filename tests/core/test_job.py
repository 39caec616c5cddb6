from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sjs.core.job import Spec, Task, contains, ranges


@given(st.sets(st.integers(0, 50)))
def test_ranges_hold_what_was_given_and_no_more(ids: set[int]) -> None:
    found = ranges(sorted(ids))
    assert [number for low, high in found for number in range(low, high + 1)] == sorted(ids)
    assert all(high + 1 < low for (_, high), (low, _) in zip(found, found[1:], strict=False))
    assert all(contains(found, number) == (number in ids) for number in range(-1, 52))


def test_a_command_is_for_the_shell_and_an_argv_meets_none() -> None:
    assert Spec("echo $HOME; true").program == ("/bin/sh", "-c", "echo $HOME; true")
    assert Spec("").program == ("/bin/sh", "-c", "")
    assert Spec(argv=("echo", "$HOME")).program == ("echo", "$HOME")
    assert [one.is_known for one in (Spec(""), Spec(argv=()), Spec())] == [True, True, False]


def test_a_setting_is_known_by_its_values_in_any_order() -> None:
    one = Task("s", 1, (("lr", "0.1"), ("bs", "32")))
    assert one.setting == Task("other", 7, (("bs", "32"), ("lr", "0.1"))).setting
    assert one.setting != Task("s", 1, (("lr", "0.1"), ("bs", "64"))).setting
    assert len(Task("s", 1, (("a", "not UTF-8: \udcff"),)).setting) == 16
