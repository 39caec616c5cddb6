"""What the native API says of a sweep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from sjs.compact import to_json
from sjs.core.lifecycle import UNENDED
from sjs.core.metrics import to_wire
from sjs.gateway.outcomes import Outcome
from sjs.gateway.records import sweeps
from sjs.gateway.web.api.documents import cursor
from sjs.results import commas
from sjs.results.rows import Row as Result


def sweep(row: Row[Any]) -> dict[str, Any]:
    """How it stands with a sweep."""
    counts = sweeps.counts(row)
    return {
        "name": row.name,
        "owner": row.owner,
        "target": row.word,
        "spec": row.spec,
        "parameters": json.loads(row.names),
        "settings": row.last - row.first + 1,
        "counts": counts,
        "is_over": not counts.keys() & set(UNENDED),
        "created": row.created,
        "metric": row.metric,
        "max_running": row.most,
        "stop_after_failures": _failures(row.failures),
        "stop_rule": row.rule,
        "stopped": row.stopped or None,
    }


def _failures(said: str | None) -> int | str | None:
    """As it was said."""
    return int(said) if said is not None and said.isdecimal() else said


def whole(row: Row[Any]) -> bytes:
    """The same, with what was handed in."""
    return to_json({**sweep(row), "asked": json.loads(row.said)}).encode("ascii")


def etag(body: bytes) -> str:
    """Of a document that has no version: many jobs make it another one."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def page(rows: Sequence[Row[Any]], limit: int) -> bytes:
    """Sweeps, of which one more was asked for than are shown."""
    shown = rows[:limit]
    more = cursor(shown[-1].id) if len(rows) > limit else None
    return to_json({"sweeps": [sweep(row) for row in shown], "next": more}).encode("ascii")


def results(name: str, found: Outcome) -> bytes:
    """The table as JSON."""
    said = {
        "sweep": name,
        "parameters": list(found.columns.parameters),
        "metrics": list(found.columns.metrics),
        "results": [_result(row, found) for row in found.rows],
        "best": None if found.best is None else found.best.job,
        "unread": found.unread,
        "troubles": list(found.troubles),
    }
    return to_json(said).encode("ascii")


def _result(row: Result, found: Outcome) -> dict[str, Any]:
    place = found.places.get(row.job)
    return {
        "job": row.job,
        "number": row.number,
        "at": None if place is None else {"target": place[0], "id": place[1]},
        "state": row.state,
        "seconds": row.seconds,
        "parameters": dict(row.values),
        "metrics": {name: to_wire(value) for name, value in row.metrics.items()},
    }


def table(found: Outcome) -> bytes:
    """The table as CSV."""
    names = [*found.columns.parameters, *found.columns.metrics]
    return "".join(commas.lines(found.rows, names)).encode("utf-8")
