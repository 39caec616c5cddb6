"""JSON as it goes over every line."""

from __future__ import annotations

import json
from json import encoder

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs import compact

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_it_is_what_the_standard_library_makes_of_it(value: object) -> None:
    assert compact.to_json(value) == json.dumps(value, separators=(",", ":"))


def test_a_python_without_the_encoder_in_c_makes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "c_make_encoder", None)
    assert compact._fast()({"a": [1, "\u20ac", None]}) == compact.to_json({"a": [1, "\u20ac", None]})


def test_what_json_has_not_is_refused() -> None:
    with pytest.raises(TypeError, match="bytes is nothing that JSON has"):
        compact.to_json({"a": b"x"})


def test_a_circle_is_an_error() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(RecursionError):
        compact.to_json(circle)
