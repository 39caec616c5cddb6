"""Names of our objects in a cluster."""

from __future__ import annotations

import pytest

from sjs.targets.kubernetes import names


def test_who_asks_again_asks_for_the_same() -> None:
    assert names.object_name("key/0-11") == names.object_name("key/0-11")
    assert len({names.object_name("key/0"), names.object_name("key/0", 1), names.object_name("key/1")}) == 3
    assert names.is_name(names.object_name("key", 12345)) and names.is_label_value(names.key_hash("key"))


@pytest.mark.parametrize("text", ["a", "lr-3", "0-a", "a" * 63])
def test_a_job_can_be_called_so(text: str) -> None:
    assert names.is_name(text)


@pytest.mark.parametrize("text", ["", "A", "a_b", "-a", "a-", "a.b", "a" * 64, "a\n"])
def test_a_job_can_not_be_called_so(text: str) -> None:
    assert not names.is_name(text)


@pytest.mark.parametrize("text", ["a", "My_label.1", "example.org/team", "x" * 63, f"{'d' * 253}/x"])
def test_a_label_can_be_called_so(text: str) -> None:
    assert names.is_qualified(text)


@pytest.mark.parametrize("text", ["", "/a", "a/", "A.org/a", "a b", "a/b/c", "x" * 64, f"{'d' * 254}/x"])
def test_a_label_can_not_be_called_so(text: str) -> None:
    assert not names.is_qualified(text)
