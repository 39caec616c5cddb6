from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sjs.gateway.web.job_manager.bodies import read
from sjs.gateway.web.job_manager.words import Unfit

MOST = 10_000
BOMB = b'{"a": "' + b"0" * 1_000_000 + b'"}'

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "deflate": deflated,
}


@pytest.mark.parametrize("kind", PACKED)
@settings(max_examples=40)
@given(document=st.dictionaries(st.text(), VALUES, max_size=4), ascii_only=st.booleans())
def test_a_body_is_read_whatever_it_is_packed_in(kind: str, document: dict[str, object], ascii_only: bool) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "replace")
    assert read(PACKED[kind](text), 1 << 20) == json.loads(text)


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("level", range(10))
def test_all_levels_of_zlib_are_known(kind: str, level: int) -> None:
    text = json.dumps({str(one): {"jobstage": 1} for one in range(50)}).encode()
    wbits = {"zlib": 15, "gzip": 31, "deflate": -15}.get(kind)
    packer = zlib.compressobj(level, wbits=wbits or 15)
    data = packer.compress(text) + packer.flush() if wbits else b"\xef\xbb\xbf " + text
    assert read(data, MOST) == json.loads(text)


def test_a_file_of_gzip_may_be_several() -> None:
    assert read(gzip.compress(b'{"a":') + gzip.compress(b"1}"), MOST) == {"a": 1}


@pytest.mark.parametrize("kind", PACKED)
@given(cut=st.integers(1, 60))
def test_half_a_body_is_none(kind: str, cut: int) -> None:
    whole = PACKED[kind](json.dumps({"1": {"jobstage": 3, "jobcmd": list(range(40))}}).encode())
    with pytest.raises(Unfit) as found:
        read(whole[:-cut], MOST)
    assert found.value.status == 400


@pytest.mark.parametrize("kind", ["zlib", "gzip", "deflate"])
def test_what_follows_is_no_part_of_it(kind: str) -> None:
    with pytest.raises(Unfit) as found:
        read(PACKED[kind](b'{"a": 1}') + b"more", MOST)
    assert found.value.status == 400


@pytest.mark.parametrize("kind", PACKED)
def test_a_bomb_is_refused(kind: str) -> None:
    """Plain, it is one that the guard had to let through."""
    with pytest.raises(Unfit) as found:
        read(PACKED[kind](BOMB), MOST)
    assert found.value.status == (400 if kind == "plain" else 413)


def test_a_bomb_in_many_pieces_is_refused() -> None:
    with pytest.raises(Unfit) as found:
        read(gzip.compress(b" " * 4_000) * 4, MOST)
    assert found.value.status == 413


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b'"nada"',
        b"null",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"[" * 9_000,
        b'{"a": "\xff"}',
        b"\x1f\x8b",
        b"x\x9c",
        b"x",
    ],
)
@pytest.mark.parametrize("kind", PACKED)
def test_what_is_no_object_is_refused(text: bytes, kind: str) -> None:
    with pytest.raises(Unfit) as found:
        read(PACKED[kind](text), 20_000)
    assert found.value.status == 400


@given(data=st.binary(max_size=200))
def test_nothing_else_goes_wrong(data: bytes) -> None:
    try:
        assert isinstance(read(data, 100), dict)
    except Unfit as error:
        assert error.status in (400, 413)


def test_what_is_nested_too_deeply_ends_nothing() -> None:
    """How deep is too deep is Python's to say."""
    try:
        assert isinstance(read(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 1 << 20), dict)
    except Unfit as error:
        assert error.status in (400, 413)
