"""Jobs in pieces that one request may carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from sjs import spec_json, wire
from sjs.core.job import Spec

_USUAL = Spec(command="")


def chunks(specs: Iterable[Spec]) -> Iterator[list[Spec]]:
    """Jobs in pieces that one request may carry."""
    piece: list[Spec] = []
    size = 0
    for spec in specs:
        weight = _weight(spec)
        if piece and (len(piece) == wire.MAX_CHUNK_JOBS or size + weight > wire.MAX_CHUNK_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(spec)
        size += weight
    if piece:
        yield piece


def _weight(spec: Spec) -> int:
    """At least the bytes that a job takes on the wire, where every character may become an escape."""
    texts = spec.argv if spec.argv is not None else (spec.command or "",)
    task = () if spec.task is None else (spec.task.sweep, *(text for pair in spec.task.values for text in pair))
    rest = _weight_of_rest(spec.but(command="", argv=None, cwd=None, task=None))
    return 64 + rest + 64 * bool(task) + sum(_escaped(text) for text in (*texts, spec.cwd or "", *task))


@lru_cache(maxsize=100)
def _weight_of_rest(spec: Spec) -> int:
    """Of what most jobs of a command have in common."""
    return 0 if spec == _USUAL else len(spec_json.to_text(spec))


def _escaped(text: str) -> int:
    factor = 2 if text.isascii() and text.isprintable() else 12
    return factor * len(text) + 8
