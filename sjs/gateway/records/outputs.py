"""What jobs have printed, kept for those who are told it whatever has become of the machines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from sjs.gateway.records.events import touch
from sjs.gateway.records.tables import outputs
from sjs.values import dataclass

MOST = 4 << 20
"""Bytes of a job's stdout …"""

MOST_ERR = 64 << 10
"""… and of its stderr."""


@dataclass(frozen=True)
class Printed:
    """By one attempt. `out`: the beginning of it, and whether it `is_cut`; `err`: the end of it; `folder`: its own on
    its target, if it left one; `lost`: why nothing of this could be had."""

    out: bytes = b""
    is_cut: bool = False
    err: bytes = b""
    folder: str = ""
    lost: str = ""


def keep(connection: Connection, job: int, attempt: int, printed: Printed) -> None:
    """In the place of what is kept of the job."""
    connection.execute(delete(outputs).where(outputs.c.job == job))
    connection.execute(insert(outputs), {"job": job, "attempt": attempt, **vars(printed)})
    touch(connection, [job])


def get(connection: Connection, job: int) -> Row[Any] | None:
    """The row of what is kept of a job, if anything is."""
    return connection.execute(select(outputs).where(outputs.c.job == job)).one_or_none()
