"""Jobs in pieces that one request may carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sjs import spec_json, wire
from sjs.core.job import Spec


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
    usual = Spec(spec.command, spec.argv, spec.cwd)
    more = 0 if spec == usual else len(spec_json.to_text(replace(spec, command="", argv=None, cwd=None)))
    return 64 + more + sum(_escaped(text) for text in (*texts, spec.cwd or ""))


def _escaped(text: str) -> int:
    factor = 2 if text.isascii() and text.isprintable() else 12
    return factor * len(text) + 8
