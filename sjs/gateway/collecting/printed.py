"""What a job has printed, brought from its target, as far as it is kept."""

from __future__ import annotations

import os.path
from collections.abc import Sequence

from sjs.api.sessions import Sessions
from sjs.errors import Refused
from sjs.gateway.records.artifacts import Leaving
from sjs.gateway.records.outputs import MOST, MOST_ERR, Printed
from sjs.protocols import Target

LINES = 1_000
"""Of stderr, at its end."""


class Enough(Exception):
    """More is on its way, and nobody wants it."""


def printed(sessions: Sessions, of: Leaving) -> Printed:
    """All that is kept of it."""
    assert of.target is not None
    try:
        out, is_cut = _beginning(sessions, of.target, of)
        with sessions.target(of.target) as target:
            return Printed(out, is_cut, _end(target, of), _folder(target, of))
    except Refused as error:
        return Printed(lost=str(error))


def _beginning(sessions: Sessions, name: str, of: Leaving) -> tuple[bytes, bool]:
    found = bytearray()
    try:
        with sessions.target(name) as target:  # which is closed, and takes along what is on its way
            for piece in target.read(of.number, ("out",), attempt=of.attempt):
                found += piece.data
                if len(found) > MOST:
                    raise Enough
    except Enough:
        return bytes(found[:MOST]), True
    return bytes(found), False


def _end(target: Target, of: Leaving) -> bytes:
    found = bytearray()
    for piece in target.read(of.number, ("err",), lines=LINES, attempt=of.attempt):
        found += piece.data
        del found[:-MOST_ERR]
    return bytes(found)


def _folder(target: Target, of: Leaving) -> str:
    """The attempt's own, if it has left something there."""
    machine = target.machine
    remains = machine.remains(of.number, of.attempt)
    folder = os.path.dirname(remains.artifacts)
    troubles: list[Sequence[str]] = []
    is_there = any(True for _ in machine.listed(remains.at, folder, lambda *trouble: troubles.append(trouble)))
    return f"{of.target}:{remains.at}/{folder}" if is_there or troubles else ""
