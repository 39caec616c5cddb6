from __future__ import annotations

import io

import pytest

from sjs.gateway.zips.json_scan import JsonTooLarge
from sjs.gateway.zips.sinks import Base64File, Tee, TextFile


def test_into_a_file() -> None:
    file = io.BytesIO()
    sink = Base64File(file, cap=5)
    sink.begin()
    sink.write(b"AAAA")
    sink.begin()  # as when a key comes twice: the last one counts
    sink.write(b"aGVs")
    sink.write(b"bG8=")
    sink.close()
    assert (file.getvalue(), sink.size, sink.trouble) == (b"hello", 5, None)


@pytest.mark.parametrize(
    ("pieces", "code"),
    [([b"aGVs", b"bG9v"], "zip_too_large"), ([b"aGVs", b"?", b"aGVs"], "bad_base64"), ([b"aGV"], "bad_base64")],
)
def test_trouble_is_kept_and_the_file_is_empty(pieces: list[bytes], code: str) -> None:
    file = io.BytesIO()
    sink = Base64File(file, cap=5)
    sink.begin()
    for piece in pieces:
        sink.write(piece)
    sink.close()
    assert sink.trouble is not None and sink.trouble.code == code
    assert (file.getvalue(), sink.size) == (b"", 0)


def test_begun_anew_there_is_no_trouble() -> None:
    file = io.BytesIO()
    sink = Base64File(file, cap=5)
    for piece in (b"?", b"aGVs"):
        sink.begin()
        sink.write(piece)
    sink.close()
    assert (file.getvalue(), sink.trouble) == (b"hel", None)


def test_as_it_is_and_what_it_means() -> None:
    raw, data = io.BytesIO(), io.BytesIO()
    text, sink = TextFile(raw, cap=6), Base64File(data, cap=5)
    both = Tee(text, sink)
    for pieces in ([b"AAAA", b"AA"], [b"aG", b"V\ns"]):
        both.begin()
        for piece in pieces:
            both.write(piece)
    assert (raw.getvalue(), text.size, data.getvalue()) == (b"aGV\ns", 5, b"hel")
    with pytest.raises(JsonTooLarge):
        both.write(b"AA")
