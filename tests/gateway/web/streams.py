"""Streams of events, as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from sjs.values import dataclass

STREAM = {"accept": "text/event-stream"}


@dataclass(frozen=True)
class Told:
    """One of a stream's blocks; a comment has nothing but that it came."""

    id: int | None = None
    event: str | None = None
    data: Any = None


def blocks(lines: Iterable[str]) -> Iterator[Told]:
    """By the rules of the standard, but for what we never say (data in several lines)."""
    said: dict[str, str] = {}
    for line in lines:
        if not line:
            data = said.get("data")
            yield Told(int(said["id"]) if "id" in said else None, said.get("event"), data and json.loads(data))
            said = {}
            continue
        name, _, value = line.partition(": ")
        assert name not in said, line
        said[name] = value


@contextmanager
def streaming(
    api: httpx.Client, path: str = "/events", headers: dict[str, str] | None = None
) -> Iterator[Iterator[Told]]:
    """What comes, after the first block, with which it begins."""
    with api.stream("GET", path, headers={**STREAM, **(headers or {})}) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = blocks(answer.iter_lines())
        first = next(found)
        assert first.id is not None and first.event is None
        yield found
