from __future__ import annotations

import base64
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.zips.json_answer import PIECE, Base64Of, TextOf, answer

scalars = st.none() | st.booleans() | st.integers() | st.text()


@given(st.dictionaries(st.text(), scalars, max_size=4), st.binary(), st.text())
def test_it_is_json_that_says_so(small: dict[str, Any], content: bytes, text: str) -> None:
    files = {"Input": TextOf(io.BytesIO(text.encode())), "Output": Base64Of(io.BytesIO(content))}
    said = json.loads(b"".join(answer({**small, **files})))
    assert said == {**small, "Input": text, "Output": base64.b64encode(content).decode()}


def test_it_is_compact_and_in_order() -> None:
    fields = {"LastUpdated": "2024-01-01T00:00:00Z", "ID": "a", "Output": Base64Of(io.BytesIO(b"hello")), "SlurmID": 0}
    assert (
        b"".join(answer(fields)) == b'{"LastUpdated":"2024-01-01T00:00:00Z","ID":"a","Output":"aGVsbG8=","SlurmID":0}'
    )
    assert b"".join(answer({})) == b"{}"


@pytest.mark.parametrize("text", ["<a href='x'>&", "\u2028\u2029", 'a"\\\n\r\t'])
def test_it_is_escaped_as_with_go(text: str) -> None:
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    escapes |= {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    escaped = "".join(escapes.get(letter, letter) for letter in text)
    assert b"".join(answer({"a": text})).decode() == f'{{"a":"{escaped}"}}'
    assert b"".join(answer({"a": TextOf(io.BytesIO(text.encode()))})).decode() == f'{{"a":"{escaped}"}}'


def test_halves_of_pairs_and_broken_letters_are_marked() -> None:
    assert b"".join(answer({"a": "\ud800"})) == '{"a":"\ufffd"}'.encode()
    assert b"".join(answer({"a": TextOf(io.BytesIO(b"\xff\xe2"))})) == '{"a":"\ufffd\ufffd"}'.encode()


def test_a_letter_may_lie_across_two_pieces() -> None:
    text = "x" * (PIECE - 1) + "\u20ac"
    assert json.loads(b"".join(answer({"a": TextOf(io.BytesIO(text.encode()))})))["a"] == text


@pytest.mark.parametrize("kind", [Base64Of, TextOf])
def test_memory_is_bounded(kind: Any) -> None:
    file = io.BytesIO(b"x" * (16 << 20))
    tracemalloc.start()
    try:
        size = sum(map(len, answer({"a": kind(file)})))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert size == 8 + (16 << 20 if kind is TextOf else ((16 << 20) + 2) // 3 * 4)
