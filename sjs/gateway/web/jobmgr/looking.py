"""What `/jobs/get` and `/artifacts/download` find. A job is over once all that is kept of it is here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from sjs.core.lifecycle import FINAL, QUEUED, SUCCEEDED
from sjs.errors import UnknownJob
from sjs.gateway.desk import Desk
from sjs.gateway.identity.tokens import Token
from sjs.gateway.records import artifacts, outputs
from sjs.gateway.web.jobmgr import documents, words
from sjs.gateway.web.jobmgr.starting import ORIGIN


async def job(desk: Desk, token: Token, number: int) -> Mapping[str, Any]:
    """All that is said of a job. UnknownJob, too, where it is another dialect's."""
    row = await desk.row(token, number)
    if row.origin != ORIGIN:
        raise UnknownJob(f"there is no job {number}")
    if row.state == QUEUED:
        return documents.whole(row, documents.QUEUED)
    if row.state not in FINAL or not artifacts.is_collected(row):
        return documents.whole(row, documents.STARTED)
    return await desk.read(partial(_ended, row=row))


async def artifact(desk: Desk, token: Token, number: int) -> tuple[Row[Any], str]:
    """The row of an artifact, and whose job left it."""
    found = await desk.read(lambda connection: artifacts.get(connection, number))
    if found is None:
        raise UnknownJob(f"there is no artifact {number}")
    return found, (await desk.row(token, found.job)).owner


def _ended(connection: Connection, row: Row[Any]) -> Mapping[str, Any]:
    printed = outputs.get(connection, row.id)
    if row.state != SUCCEEDED:
        return documents.whole(row, documents.FAILED, _failure(row, printed))
    left = [one for one in artifacts.of_job(connection, row.id) if one.attempt == row.attempt]
    return documents.whole(row, documents.COMPLETED, _result(printed), left)


def _failure(row: Row[Any], printed: Row[Any] | None) -> str:
    argv: Sequence[str] = json.loads(row.body).get("argv", ())
    if printed is None:
        return words.whole(words.of_end(row, argv), "")
    return words.whole(words.of_end(row, argv, _text(printed.err)), printed.folder)


def _result(printed: Row[Any] | None) -> str:
    if printed is None:
        return ""
    if printed.lost:
        return f"what it has printed is lost: {printed.lost}"
    return _text(printed.out) + (f"\n… there was more; {outputs.MOST} bytes are kept\n" if printed.is_cut else "")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
