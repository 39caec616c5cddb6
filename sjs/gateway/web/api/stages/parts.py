"""What the operations on stages have in common."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query

from sjs.gateway.records.stages.values import MOST_NUMBER, MOST_STAGES
from sjs.gateway.web.api.stages.models import STAGE_NAME

NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"

Name = Annotated[str, Path(max_length=100, pattern=NAME, description="Of the pipeline.", examples=["scans"])]
Number = Annotated[int, Path(ge=0, le=MOST_NUMBER, description="Of the item.", examples=[1])]
Word = Annotated[
    str,
    Path(pattern="^[0-9a-f]{32}$", description="Of the claim.", examples=["0123456789abcdef0123456789abcdef"]),
]
Owner = Annotated[
    str | None,
    Query(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", description="Whose; for administrators."),
]
StageOf = Annotated[
    str | None,
    Query(max_length=100, pattern=rf"^[0-9]{{1,3}}$|{STAGE_NAME}", description="Only at this one: a number or a name."),
]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200, description="Only if this is still its ETag.")]
IfNew = Annotated[
    str | None, Header(alias="If-None-Match", max_length=200, pattern=r"^\*$", description="Only if there is none.")
]
TAGS = {"ETag": "Another one whenever the document is."}


def stage_of(said: str | None) -> int | str | None:
    """A stage as an address has it."""
    return int(said) if said is not None and said.isdigit() and int(said) < MOST_STAGES else said
