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
    return f'"{one.id}-{one.version}-{sha256(counts.encode("ascii")).hexdigest()[:16]}"'


def item(row: Row[Any]) -> dict[str, Any]:
    """The row of an item."""
    names = ("number", "stage", "since", "state", "flagged", "tries", "worker", "due", "file", "created", "version")
    return {**{name: getattr(row, name) for name in names}, "command": _read(row.command), "result": _read(row.result)}


def claimed(one: Item) -> dict[str, Any]:
    """An item that was given to somebody."""
    found = {name: value for name, value in vars(one).items() if name not in ("pipeline", "word", "is_flagged")}
    said = {"command": _read(one.command), "result": _read(one.result), "flagged": one.is_flagged}
    return {**found, **said, "claim": one.word}


def settled(one: Settled) -> bytes:
    return to_json(vars(one)).encode("ascii")


def item_tag(seen: Seen) -> str:
    return f'"{seen[0]}-{seen[1]}"'


def seen_of(row: Row[Any]) -> Seen:
    return int(row.created * 1e6), row.version


def page(rows: Sequence[Row[Any]], has_more: bool) -> bytes:
    """Some items."""
    following = rows[-1].number if has_more and rows else None
    return to_json({"items": [item(row) for row in rows], "next": following}).encode("ascii")


def line(row: Row[Any]) -> bytes:
    """An item, as a line."""
    return to_json(item(row)).encode("ascii") + b"\n"


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


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
