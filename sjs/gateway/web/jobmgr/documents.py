"""What jobmgr says of a job, its keys in their order. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from sjs.gateway.artifacts.media import jobmgr_mime_of

QUEUED, STARTED, COMPLETED, FAILED = "queued", "started", "completed", "failed"
"""All states that there are."""

PRIORITY = 50
USER = 1
"""What jobmgr stores with every job."""


def job(row: Row[Any], status: str) -> Mapping[str, Any]:
    given = None if row.parameters is None else json.loads(row.parameters)
    ended = int(row.ended) if status in (COMPLETED, FAILED) else None
    begun = ended if row.begun is None else int(row.begun)  # who has failed without a start was looked at then
    return {
        "id": row.id,
        "status": status,
        "priority": PRIORITY,
        "name": row.name,
        "parameters": None if given is None else {name: given[name] for name in sorted(given)},
        "created": int(row.created),
        "started": None if status == QUEUED else begun,
        "completed": ended,
        "userID": USER,
    }


def artifact(row: Row[Any]) -> Mapping[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "mime": jobmgr_mime_of(row.name),
        "size": row.size,
        "uuid": row.uuid,
        "created": int(row.created),
        "jobID": row.job,
    }


def whole(
    row: Row[Any], status: str, result: str | None = None, left: Sequence[Row[Any]] | None = None
) -> Mapping[str, Any]:
    """A job, what came of it and what it has left. None where that is not known yet, or there is none."""
    artifacts = None if left is None else [artifact(one) for one in left]
    return {"job": job(row, status), "result": result, "artifacts": artifacts}
