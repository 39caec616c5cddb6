"""What goes in and out of /api/v1/stages, as the document of the API describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sjs.gateway.records.stages.values import (
    CLAIMED,
    FLAG,
    FREE,
    LONGEST,
    MOST_CLAIMS,
    MOST_ITEMS,
    MOST_NUMBER,
    MOST_STAGES,
    RETURN,
    STUCK,
)
from sjs.gateway.web.api.models import UNSAID, Said

MOST_JSON = 64 << 10
"""Bytes of a command, and of a result: what is longer belongs in a file."""

WAIT = 120.0
"""Seconds for which one request waits for an item at most."""

STAGE_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]*$"

State = Literal[FREE, CLAIMED, STUCK]  # type: ignore[valid-type]
Over = Literal[FLAG, RETURN]  # type: ignore[valid-type]
StageName = Annotated[str, Field(max_length=100, pattern=STAGE_NAME, examples=["cut"])]
StageNumber = Annotated[int, Field(ge=0, lt=MOST_STAGES, examples=[0])]
AnyStage = StageNumber | StageName
ItemNumber = Annotated[int, Field(ge=0, le=MOST_NUMBER)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False, examples=[600])]
File = Annotated[str, Field(max_length=4_096, pattern=r"^[^\x00]*$", examples=["out/7.npz"])]
Worker = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["node7/1"])]
Json = Annotated[Any, Field(description=f"Any JSON, of at most {MOST_JSON} bytes.", examples=[{"seed": 7}])]


class NewStage(Said):
    """A stage, as it is to be."""

    name: StageName = Field(default=UNSAID)
    lifetime: Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)] = Field(
        default=0.0, description="Seconds that an item may take there; 0: as long as it takes.", examples=[600]
    )
    over: Over = Field(
        default=RETURN,
        description="What becomes of an item then: it is free again for others, and flagged until somebody has it; or "
        "it is flagged, and stays whose it is.",
    )
    tries: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=5, description="How often one is given back; after that it is only flagged."
    )
    back: StageNumber = Field(default=UNSAID, description="It is given back to this stage, not to its own.")


class NewPipeline(Said):
    """A pipeline, as it is to be. Its last stage means done."""

    stages: list[NewStage] = Field(
        min_length=2,
        max_length=MOST_STAGES,
        examples=[[{"name": "cut", "lifetime": 600}, {"name": "paste"}, {"name": "done"}]],
    )


class Stage(BaseModel):
    """A stage, and how many items are there: in all, claimed ones, flagged ones."""

    stage: int
    name: str
    lifetime: float
    over: Over
    tries: int
    back: int | None
    total: int
    claimed: int
    flagged: int


class Pipeline(BaseModel):
    """A pipeline. `last`: the stage that means done; `loose`: its items need no claim, and may be beyond that."""

    name: str
    owner: str
    loose: bool
    last: int
    created: float
    version: int = Field(description="How often what is said of it has changed.")
    stages: list[Stage]


class Pipelines(BaseModel):
    """In the order in which they were made. `next`: what to say as `after` to have those that follow; null at the
    end."""

    pipelines: list[Pipeline]
    next: int | None


class NewItem(Said):
    """An item to take in."""

    command: Json = None
    number: ItemNumber = Field(default=UNSAID, description="Else the next one. All of a request have one, or none.")
    stage: AnyStage = 0
    file: File = ""


class NewItems(Said):
    """Items to take in: all of them, or none."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"example": {"items": [{"command": {"seed": 7}}]}}
    )

    items: list[NewItem] = Field(min_length=1, max_length=MOST_ITEMS)


class Added(BaseModel):
    """How many were taken in; the number of the first one, where they came without; those that were there before, and
    are as they were. `repeated`: they had been taken in under this key."""

    count: int
    first: int | None
    skipped: list[int]
    repeated: bool


class Item(BaseModel):
    """An item. `since`: when it came to its stage; `tries`: how often it was given back there; `due`: when its time is
    over."""

    number: int
    stage: int
    since: float
    state: State
    flagged: bool
    tries: int
    worker: str | None
    due: float | None
    command: Any
    file: str
    result: Any
    created: float
    version: int


class Step(BaseModel):
    """Who did what with an item: from a stage to one, the same perhaps."""

    time: float
    what: str
    who: str
    stage: int
    target: int
    detail: str


class ItemHistory(Item):
    """An item, and what was done with it, the oldest first."""

    history: list[Step]


class Items(BaseModel):
    """The lowest numbers first. `next`: what to say as `after` to have those that follow; null at the end."""

    items: list[Item]
    next: int | None


class ChangedItem(Said):
    """What is to be otherwise. With a stage the item is put there, whoever has it, and is free."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"minProperties": 1})

    stage: AnyStage = Field(default=UNSAID)
    flagged: Literal[False] = Field(default=UNSAID, description="What it was flagged for is seen to.")
    command: Json = None
    file: File = Field(default=UNSAID)
    result: Json = None


class NewClaim(Said):
    """Who wants items, and at which stage."""

    stage: AnyStage
    worker: Worker = Field(default=UNSAID, description="Else the owner of the token.")
    seconds: Seconds = Field(default=UNSAID, description="Else the lifetime of the stage.")
    count: Annotated[int, Field(ge=1, le=MOST_CLAIMS)] = 1
    wait: Annotated[float, Field(ge=0, le=WAIT, allow_inf_nan=False)] = Field(
        default=0.0, description="Seconds to wait for one, where there is none."
    )


class ClaimedItem(Item):
    """An item, and the word by which its claim is known."""

    claim: str


class Claims(BaseModel):
    """The items that were given."""

    items: list[ClaimedItem]


class Renewal(Said):
    """For how much longer, from now."""

    seconds: Seconds = Field(default=UNSAID, description="Else the lifetime of the stage.")


class Finished(Said):
    """What came of the work."""

    stage: AnyStage = Field(default=UNSAID, description="Where the item goes; else to the next stage.")
    result: Json = None
    file: File = Field(default=UNSAID)


class Released(Said):
    """Why an item is given back."""

    failed: bool = Field(default=False, description="It could not be done, and is flagged.")
    detail: Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00]*$")] = ""


class Settled(BaseModel):
    """What became of a claim: from which stage, at which the item is by it; when its time is over now. `repeated`: that
    was so before."""

    number: int
    stage: int
    target: int
    due: float | None
    repeated: bool


class Requeue(Said):
    """Which items go where."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"from": 1, "to": 0, "flagged": True}]}
    )

    stage: AnyStage = Field(alias="from")
    target: AnyStage = Field(alias="to")
    flagged: bool = Field(default=True, description="Only the flagged ones; else all, whoever has them.")


class Count(BaseModel):
    """How many they were."""

    count: int
