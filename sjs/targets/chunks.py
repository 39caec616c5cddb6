"""Jobs in pieces that one request may carry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sjs import spec_json, wire
from sjs.core.job import Spec

_OWN: dict[str, Any] = {"command": "", "argv": None, "cwd": None, "task": None}
"""What each job of a command has for itself. The rest is what most of them have in common."""


def chunks(specs: Iterable[Spec]) -> Iterator[list[Spec]]:
    """Jobs in pieces that one request may carry."""
    piece: list[Spec] = []
    size = 0
    scale = _Scale()
    for spec in specs:
        weight = scale.weigh(spec)
        if piece and (len(piece) == wire.MAX_CHUNK_JOBS or size + weight > wire.MAX_CHUNK_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(spec)
        size += weight
    if piece:
        yield piece


class _Scale:
    """Weighs what the jobs have in common once, for as long as it stays the same."""

    def __init__(self) -> None:
        self._rest = {**spec_json.USUAL, **_OWN}
        self._weight = 0

    def weigh(self, spec: Spec) -> int:
        """At least the bytes that a job takes on the wire, where every character may become an escape."""
        rest = {**vars(spec), **_OWN}
        if rest != self._rest:
            self._rest, self._weight = rest, len(spec_json.to_text(spec.but(**_OWN)))
        texts = spec.argv if spec.argv is not None else (spec.command or "",)
        task = () if spec.task is None else (spec.task.sweep, *(text for pair in spec.task.values for text in pair))
        return 64 + self._weight + 64 * bool(task) + sum(map(_escaped, (*texts, spec.cwd or "", *task)))


def _escaped(text: str) -> int:
    factor = 2 if text.isascii() and text.isprintable() else 12
    return factor * len(text) + 8
