"""What the native API says of a job."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from sjs.answers import Details
from sjs.compact import to_json
from sjs.errors import BadRequest
from sjs.wire import job_to_wire

_CURSOR = re.compile(rb"before ([1-9]\d{0,18})")


def job(row: Row[Any]) -> dict[str, Any]:
    """A job as JSON has it; times are Unix seconds."""
    what = json.loads(row.body)
    task = what.get("task") or {"sweep": None, "values": None}
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "owner": row.owner,
        "target": row.word,
        "at": None if row.target is None else {"target": row.target, "id": row.number},
        "spec": row.spec,
        "sweep": task["sweep"],
        "parameters": task["values"] if row.parameters is None else json.loads(row.parameters),
        "job": what,
        "attempt": row.attempt,
        "created": row.created,
        "started": row.begun,
        "ended": row.ended,
        "exit": row.exit,
        "signal": row.signal,
        "reason": row.reason or None,
        "detail": row.detail or None,
        "version": row.version,
    }


def etag(row: Row[Any]) -> str:
    """Of a job's document: another one whenever it says something else."""
    return f'"{row.id}-{row.version}"'


def body(row: Row[Any]) -> bytes:
    return to_json(job(row)).encode("ascii")


def page(rows: Sequence[Row[Any]], stop: int | None) -> bytes:
    """Jobs, and behind which of them it goes on."""
    more = None if stop is None else cursor(stop)
    return to_json({"jobs": [job(row) for row in rows], "next": more}).encode("ascii")


def details(row: Row[Any], found: Details | None) -> bytes:
    """A job, with what its target knows of it besides."""
    there: dict[str, Any] = {"record": None, "attempts": [], "children": []}
    if found is not None:
        record = {**job_to_wire(found.job), **found.raw}
        there = {"record": record, "attempts": list(found.attempts), "children": list(found.children)}
    return to_json({"job": job(row), **there}).encode("ascii")


def cursor(number: int) -> str:
    """What a client says to have those that came before this job."""
    return base64.urlsafe_b64encode(b"before %d" % number).decode("ascii").rstrip("=")


def before(cursor: str | None) -> int | None:
    """Which job that is. BadRequest for what is no cursor."""
    if cursor is None:
        return None
    try:
        match = _CURSOR.fullmatch(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except ValueError:
        match = None
    if match is None or int(match[1]) >= 2**63:
        raise BadRequest("that is no cursor", "`next` of another page is one")
    return int(match[1])
