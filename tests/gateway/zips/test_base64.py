from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjs.gateway.zips.base64_pieces import BadBase64, Decoder, Encoder


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The same in pieces."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in zip(marks, marks[1:], strict=False)]


def decoded(pieces: list[bytes]) -> bytes:
    decoder = Decoder()
    found = b"".join(decoder.feed(piece) for piece in pieces)
    decoder.close()
    return found


places = st.lists(st.integers(0, 10_000), max_size=6)


@given(st.binary(), places)
def test_there_and_back_in_pieces(data: bytes, places: list[int]) -> None:
    encoder = Encoder()
    text = b"".join([*(encoder.feed(piece) for piece in cut(data, places)), encoder.close()])
    assert text == base64.b64encode(data)
    assert decoded(cut(text, places)) == data


@given(st.binary(), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 80), places)
def test_lines_may_end_anywhere(data: bytes, end: bytes, width: int, places: list[int]) -> None:
    text = base64.b64encode(data)
    lines = end.join([text[at : at + width] for at in range(0, len(text), width)]) + end
    assert decoded(cut(lines, places)) == data


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b"A", 0),
        (b"AA", 0),
        (b"AAA", 0),
        (b"AAAAA", 4),
        (b"AAAAA\n", 5),
        (b"=", 0),
        (b"A=", 1),
        (b"A===", 1),
        (b"AA=", 3),
        (b"AA=\n", 4),
        (b"AA=A", 2),
        (b"AA=\nA", 3),
        (b"AA===", 4),
        (b"AAA==", 4),
        (b"AA==A", 4),
        (b"AA==\nA", 5),
        (b"AAAA=", 4),
        (b"AAA-", 3),
        (b"AAA_", 3),
        (b"AA AA", 2),
        (b"\n\nAA\0A", 4),
        (b"AAAA\xc3\xa4", 4),
        (b"data:,", 4),
    ],
)
def test_what_is_none_is_told_as_go_tells_it(text: bytes, at: int) -> None:
    for pieces in ([text], [text[place : place + 1] for place in range(len(text))]):
        with pytest.raises(BadBase64) as told:
            decoded(pieces)
        assert str(told.value) == f"illegal base64 data at input byte {at}"


@pytest.mark.parametrize("text", [b"", b"\n", b"\r\n\r\n", b"AA=\n=\n", b"AA\n==", b"QR==", b"A\nA\nA\nA"])
def test_what_is_some(text: bytes) -> None:
    assert decoded([text]) == decoded([text[at : at + 1] for at in range(len(text))])
