"""What a client sends, however it is packed. job_manager's own say gzip, and send what zlib makes; so no header is
believed, and the bytes are looked at. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

from sjs.gateway.web.job_manager.words import Unfit

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""As zlib names them."""


def read(data: bytes, most: int) -> dict[str, Any]:
    """The JSON object in a body, which has `most` bytes at most once it is unpacked. Unfit, where there is none."""
    for text in _unpacked(data, most):
        found = _parsed(text)
        if isinstance(found, dict):
            return found
    raise Unfit(400, "The body is no JSON object: plain, or packed by zlib, gzip or deflate.")


def _unpacked(data: bytes, most: int) -> Iterator[bytes]:
    """All that it could mean, the likeliest first."""
    if data[:2] == b"\x1f\x8b":
        yield from _inflated(data, most, _GZIP)
    if len(data) > 1 and data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0:
        yield from _inflated(data, most, _ZLIB)
    if len(data) <= most:
        yield data
    yield from _inflated(data, most, _RAW)


def _inflated(data: bytes, most: int, kind: int) -> Iterator[bytes]:
    """What is packed in it, if that is whole, and nothing else is there. A file of gzip's may be several in a row."""
    found = b""
    while True:
        stream = zlib.decompressobj(kind)
        try:
            found += stream.decompress(data, most + 1 - len(found))
        except zlib.error:
            return
        if len(found) > most:
            raise Unfit(413, f"Unpacked, a body may have {most} bytes.")
        if not stream.eof:
            return
        data = stream.unused_data
        if not data:
            yield found
            return
        if kind != _GZIP:
            return


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
