"""Items as they come: one JSON object that has them all, or a line for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from sjs.errors import BadRequest
from sjs.gateway.records.stages.values import MOST_ITEMS, NewItem
from sjs.gateway.web.api.stages import documents, models

LINES = "application/x-ndjson"

_ITEMS = TypeAdapter(list[models.NewItem])


def understood(kind: str, body: bytes) -> Sequence[NewItem]:
    """What they are. BadRequest, or an error of validation, where they are none."""
    is_lines = kind.partition(";")[0].strip().lower() == LINES
    try:
        if is_lines:
            said = _ITEMS.validate_python([_read(line) for line in _lines(body)])
        else:
            said = models.NewItems.model_validate(_read(body)).items
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found) from None
    if not 1 <= len(said) <= MOST_ITEMS:
        raise BadRequest(f"these are {len(said)} items; a request has 1 to {MOST_ITEMS}")
    return [NewItem(documents.text(one.command, "a command"), one.number, one.stage, one.file) for one in said]


def _lines(body: bytes) -> Iterator[bytes]:
    return (line for line in body.split(b"\n") if line.strip())


def _read(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("that is no JSON", f"say Content-Type: {LINES} for a line for each item") from None


def request_body() -> Mapping[str, Any]:
    """What the document of the API says of it."""
    example = '{"command": {"seed": 7}}\n{"command": {"seed": 8}}\n'
    lines = {"schema": {"type": "string", "description": "Items, a line of JSON each."}, "example": example}
    return {"required": True, "content": {"application/json": {"schema": _whole(models.NewItems)}, LINES: lines}}


def _whole(model: Any) -> Any:
    """The schema of a model with all that it refers to in its place."""
    schema = model.model_json_schema()
    known = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            name = value.get("$ref", "").rpartition("/")[2]
            return resolved(known[name]) if name else {key: resolved(one) for key, one in value.items()}
        return [resolved(one) for one in value] if isinstance(value, list) else value

    return resolved(schema)
