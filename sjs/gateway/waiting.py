"""Waits for jobs, as long as somebody wants to wait: nobody asks again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Row

from sjs.core.lifecycle import FINAL
from sjs.gateway.desk import Desk
from sjs.gateway.hub import Over
from sjs.gateway.identity.tokens import Token

Is = Callable[[Row[Any]], bool]


def has_ended(row: Row[Any]) -> bool:
    return row.state in FINAL


async def awaited(
    desk: Desk, token: Token, number: int, is_so: Is = has_ended, seconds: float | None = None
) -> Row[Any]:
    """The row of a job once this is so of it, or as it is after so many seconds, or when the gateway is to end."""
    with desk.hub.listening() as ear:

        async def until() -> Row[Any]:
            row = await desk.row(token, number)
            while not is_so(row):
                events, has_missed = await ear.hear()
                if has_missed or any(event.job == number for event in events):
                    row = await desk.row(token, number)
            return row

        try:
            return await asyncio.wait_for(until(), seconds)
        except (asyncio.TimeoutError, Over):
            return await desk.row(token, number)
