"""The specs of an Indexed Job: what all have in common is an annotation of the Job, what each has of its own lies in
ConfigMaps, compressed, in pieces."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import Spec
from sjs.errors import BadRequest

PIECE = 500_000
"""Characters in one piece, before they are compressed: where that does nothing, a ConfigMap still holds it."""

MAX_PIECE = 64 << 20

_OWN = ("name", "tags", "env", "task")
"""What jobs of one Indexed Job may have of their own, besides what they run."""


def runs(specs: Sequence[Spec]) -> list[tuple[Spec, ...]]:
    """Cut where the next one is of another shape."""
    return [tuple(run) for _, run in groupby(specs, key=_shape)]


def _shape(spec: Spec) -> Spec:
    return spec.but(command=None, argv=None, name="", tags=(), env=(), task=None)


def common(specs: Sequence[Spec]) -> dict[str, Any]:
    """What all have in common, as on the wire."""
    first = spec_json.to_wire(specs[0])
    if len(specs) == 1:
        return first
    others = [spec_json.to_wire(one) for one in specs[1:]]
    return {key: value for key, value in first.items() if all(one.get(key) == value for one in others)}


def pieces(specs: Sequence[Spec], shared: Mapping[str, Any]) -> list[str]:
    """What each has of its own: texts for `binaryData`."""
    own = (to_json({key: value for key, value in spec_json.to_wire(one).items() if key not in shared}) for one in specs)
    return [base64.b64encode(zlib.compress(text.encode())).decode() for text in _cut(own)]


def _cut(texts: Iterable[str]) -> Iterator[str]:
    piece: list[str] = []
    size = 0
    for text in texts:
        if piece and size + len(text) > PIECE:
            yield f"[{','.join(piece)}]"
            piece, size = [], 0
        piece.append(text)
        size += len(text)
    yield f"[{','.join(piece)}]"


def specs_of(shared: Mapping[str, Any], packed: Iterable[str]) -> list[Spec]:
    """The specs again."""
    return [spec_json.from_wire({**shared, **own}) for piece in packed for own in _unpacked(piece)]


def _unpacked(piece: str) -> list[dict[str, Any]]:
    try:
        unzip = zlib.decompressobj()
        text = unzip.decompress(base64.b64decode(piece, validate=True), MAX_PIECE)
        found = json.loads(text)
    except (zlib.error, binascii.Error, ValueError, RecursionError) as error:
        raise BadRequest(f"a piece of the specs of jobs can not be read: {error}") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadRequest("a piece of the specs of jobs is no list of objects")
    return found
