"""What is answered of pipelines and items, and how what is said of them is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from sjs.compact import to_json
from sjs.errors import BadRequest
from sjs.gateway.records.stages.values import Changed, Counts, Item, Pipeline, Seen, Settled
from sjs.gateway.web.api.stages.models import MOST_JSON

_TAG = re.compile(r'"([0-9]{1,19})-([0-9]{1,19})[-0-9a-f]*"')


def pipeline(one: Pipeline) -> dict[str, Any]:
    """A pipeline, as JSON has it."""
    stages = [{"stage": at, **vars(one.stages[at]), **vars(one.counts.get(at, Counts()))} for at in sorted(one.stages)]
    names = ("name", "owner", "last", "created", "version")
    return {"loose": one.is_loose, "stages": stages, **{name: getattr(one, name) for name in names}}


def pipeline_tag(one: Pipeline) -> str:
    """Its beginning says which version of what is said of it this is, the rest what stands at its stages."""
    counts = to_json([[at, *vars(count).values()] for at, count in sorted(one.counts.items())])
    return f'"{one.id}-{one.version}-{sha256(counts.encode()).hexdigest()[:16]}"'


def item(row: Row[Any], **more: Any) -> str:
    """The row of an item. What is JSON already is not read: it may be deeper than it can be read."""
    found = {name: getattr(row, name) for name in _SHOWN}
    return _whole({**found, "flagged": row.flagged, **more}, row.command, row.result)


def given(items: Sequence[Item]) -> bytes:
    """Items that were given to somebody."""
    shown = [
        _whole(
            {**{name: getattr(one, name) for name in _SHOWN}, "flagged": one.is_flagged, "claim": one.word},
            *(one.command, one.result),
        )
        for one in items
    ]
    return f'{{"items":[{",".join(shown)}]}}'.encode()


_SHOWN = ("number", "stage", "since", "state", "tries", "worker", "due", "file", "created", "version")


def _whole(found: dict[str, Any], command: str | None, result: str | None) -> str:
    return f'{to_json(found)[:-1]},"command":{command or "null"},"result":{result or "null"}}}'


def settled(one: Settled) -> bytes:
    return to_json(vars(one)).encode()


def item_tag(seen: Seen) -> str:
    return f'"{seen[0]}-{seen[1]}"'


def seen_of(row: Row[Any]) -> Seen:
    return int(row.created * 1e6), row.version


def page(rows: Sequence[Row[Any]], stop: int | None) -> bytes:
    """Some items."""
    return f'{{"items":[{",".join(map(item, rows))}],"next":{to_json(stop)}}}'.encode()


def line(row: Row[Any]) -> bytes:
    """An item, as a line."""
    return item(row).encode() + b"\n"


def text(value: Any, what: str) -> str:
    """JSON that is kept. BadRequest for what JSON has not, or is too long."""
    try:
        found = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise BadRequest(f"{what} is no JSON, or too deep") from None
    if len(found) > MOST_JSON:
        raise BadRequest(f"{what} has {len(found)} bytes; {MOST_JSON} are the limit", "name a file that has more")
    return found


def seen(header: str | None) -> Seen | None:
    """Which version If-Match names; None where it says nothing, or any. Changed for what is none of ours."""
    if header is None or header.strip() == "*":
        return None
    match = _TAG.fullmatch(header.strip())
    if match is None:
        raise Changed("If-Match is not the tag of what is there", "look at it again")
    return int(match[1]), int(match[2])
