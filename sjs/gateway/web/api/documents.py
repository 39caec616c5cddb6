"""What the native API says of a job."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row

from sjs.compact import to_json


def job(row: Row[Any]) -> dict[str, Any]:
    """A job as JSON has it; times are Unix seconds."""
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "owner": row.owner,
        "target": row.word,
        "at": None if row.target is None else {"target": row.target, "id": row.number},
        "spec": row.spec,
        "parameters": None if row.parameters is None else json.loads(row.parameters),
        "job": json.loads(row.body),
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
