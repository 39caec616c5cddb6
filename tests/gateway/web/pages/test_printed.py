"""How readers are told what a job prints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from sjs.gateway.desk import Desk
from sjs.gateway.identity.tokens import make
from sjs.gateway.web.pages import printed
from sjs.gateway.web.pages.screen import Place


def test_small_pieces_are_told_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who follows a job that prints often would be ever further behind it."""
    monkeypatch.setattr(printed, "EVERY", 0.5)
    token, _ = make("ann", ["read"], 0.0)

    async def pieces() -> AsyncGenerator[bytes, None]:
        for one in range(200):
            yield b"%d\n" % one

    async def told() -> list[bytes]:
        return [event async for event in printed.told(desk, token, pieces(), printed.Telling(Place()))]

    events = asyncio.run(told())
    said = [json.loads(event.partition(b"data: ")[2]) for event in events if event.startswith(b"id:")]
    assert [line[0][0] for one in said for _, line in one["rows"]] == [str(one) for one in range(200)]
    assert len(events) < 50
    assert events[-1] == b"event: end\ndata: 0\n\n"


def test_what_is_printed_fast_is_read_no_faster_than_it_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "EVERY", 0.01)
    token, _ = make("ann", ["read"], 0.0)
    piece = b"x" * 1_023 + b"\n"

    async def pieces() -> AsyncGenerator[bytes, None]:
        for _ in range(1_000):
            yield piece

    async def told() -> list[bytes]:
        return [event async for event in printed.told(desk, token, pieces(), printed.Telling(Place()))]

    events = [event for event in asyncio.run(told()) if event.startswith(b"id:")]
    assert len(events) >= 1_000 * len(piece) // printed.MOST_HEARD
    assert all(len(event) < 2 * printed.MOST_HEARD for event in events)
