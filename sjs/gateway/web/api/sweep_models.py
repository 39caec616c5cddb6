"""What goes in and out of the native API of sweeps, as its document describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from sjs.core.lifecycle import BAD, FINAL, MOVED
from sjs.gateway.unfolding import MOST
from sjs.gateway.web.api.models import UNSAID, At, Options, Said, State, Text
from sjs.sweeping.limit import MANY

NAME = r"^[A-Za-z][A-Za-z0-9._@-]{0,127}$"
"""What a sweep may be called."""

Scalar = Text | int | Annotated[float, Field(allow_inf_nan=False)] | bool
Parameter = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]
ENDED = tuple(state for state in FINAL if state != MOVED)
Ended = Literal[ENDED]  # type: ignore[valid-type]

Aim = Annotated[str, Field(pattern=r"^(min|max):.", max_length=200, examples=["min:loss"])]
Failures = (
    Annotated[int, Field(ge=1, le=MANY)] | Annotated[str, Field(pattern=r"^(100|[1-9][0-9]?)%$", examples=["10%"])]
)
Rule = Annotated[str, Field(pattern=r"^median:.", max_length=300, examples=["median:loss,after=10,others=5"])]

GRID: JsonDict = {
    "name": "tune",
    "command": "python train.py --lr {lr} --bs {bs}",
    "parameters": {"lr": "log:1e-4..1e-1:8", "bs": [16, 32]},
    "target": "any",
    "options": {"tags": {"project": "digits"}},
}
CHANCE: JsonDict = {
    "argv": ["./train", "{lr}", "{drop}"],
    "parameters": {"lr": "log:1e-5..1e-1", "drop": "uniform:0..0.5"},
    "samples": 20,
}
WITH_CARE: JsonDict = {
    "command": "./train {lr}",
    "parameters": {"lr": "log:1e-5..1e-1:20"},
    "metric": "min:loss",
    "max_running": 8,
    "stop_after_failures": "10%",
    "stop_rule": "median:loss",
}
OF_SPEC: JsonDict = {"spec": "train", "parameters": {"word": ["so", "or so"], "times": [1, 2, 3]}}


class NewSweep(Said):
    """A sweep to hand in: one of `command`, `argv` and `spec`, with the settings of `parameters`, `rows`, or both: each
    row with each product of the parameters. In command and argv `{name}` is the value of a parameter, `{}` are all of
    them, `{#}` is the job's number, `{{name}}` stands for {name}."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [{"required": [one]} for one in ("command", "argv", "spec")],
            "anyOf": [{"required": [one]} for one in ("parameters", "rows")],
            "examples": [GRID, CHANCE, WITH_CARE, OF_SPEC],
        },
    )

    name: str = Field(
        default_factory=str,
        pattern=NAME,
        description="Free among its owner's; else the program and all that it is made of give it one.",
    )
    command: Annotated[Text, Field(min_length=1)] = Field(
        default_factory=str, description="Text for /bin/sh, in which each value is quoted as its place needs."
    )
    argv: list[Text] = Field(
        default_factory=list, min_length=1, max_length=10_000, description="Words; no shell sees them."
    )
    spec: str = Field(default_factory=str, min_length=1, max_length=100, description="The name of a job spec.")
    parameters: dict[Parameter, Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=MOST)]] = Field(
        default_factory=dict,
        min_length=1,
        description="What each may be: a list of values, as they are; or a range, `log:1e-4..1e-1:8`, `int:1..10`, "
        "`uniform:0..1:5`; or one value.",
    )
    rows: list[dict[Parameter, Scalar]] = Field(
        default_factory=list, min_length=1, max_length=MOST, description="Values that go together; all have the same."
    )
    samples: Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=UNSAID, description="So many settings by chance, instead of all; ranges need no number of values then."
    )
    seed: Annotated[int, Field(ge=0, le=10**15)] = Field(default=0, description="The same ones for the same seed.")
    target: str = Field(
        default_factory=str,
        min_length=1,
        max_length=255,
        examples=["any", "any:@gpus"],
        description="Whom its jobs are for, as the command line has it; else whom its spec names, or any.",
    )
    options: Options = Field(default_factory=Options, description="What each job is told.")
    metric: Aim = Field(default=UNSAID, description="What is best, where results are not asked for by another.")
    max_running: Annotated[int, Field(ge=1, le=MANY)] = Field(
        default=UNSAID,
        description="So many of its jobs may be unended at a time, wherever they are; the others are held back.",
    )
    stop_after_failures: Failures = Field(
        default=UNSAID,
        description="Once so many have failed, or such a part of at least 10 that have ended, no more begin.",
    )
    stop_rule: Rule = Field(
        default=UNSAID,
        description="Who is clearly behind is ended: whose best `loss` is worse than the median of what the others had "
        "on average when they had printed as many.",
    )

    @model_validator(mode="after")
    def is_whole(self) -> NewSweep:
        if len(self.model_fields_set & {"command", "argv", "spec"}) != 1:
            raise ValueError("a sweep has one of command, argv and spec")
        if not self.model_fields_set & {"parameters", "rows"}:
            raise ValueError("a sweep has parameters, or rows")
        return self


class SubmittedSweep(BaseModel):
    """The sweep that was taken. `repeated`: it had been, under the same key; `notes`: what is odd, and may be meant."""

    name: str
    settings: int
    repeated: bool
    notes: list[str]


class Sweep(BaseModel):
    """How it stands with a sweep."""

    name: str
    owner: str
    target: str = Field(description="Whom its jobs were handed in for.")
    spec: str | None
    parameters: list[str] = Field(description="Their names.")
    settings: int = Field(description="How many jobs it has, or had.")
    counts: dict[str, int] = Field(description="Jobs by state, of which there is a record.")
    is_over: bool = Field(description="Whether all have ended.")
    created: float
    metric: str | None = Field(description="What is best.")
    max_running: int | None
    stop_after_failures: int | str | None
    stop_rule: str | None
    stopped: str | None = Field(description="Why no more of its jobs begin; a retry begins anew.")


class WholeSweep(Sweep):
    """The same, with what was handed in."""

    asked: dict[str, Any]


class Sweeps(BaseModel):
    """Some sweeps, the newest first. `next`: the cursor of those that follow; null at the end."""

    sweeps: list[Sweep]
    next: str | None


class RetryOf(Said):
    """Which jobs are to run again: those that have ended so."""

    states: list[Ended] = Field(default=list(BAD), min_length=1, max_length=10)


class Result(BaseModel):
    """What one job tries, and what came of it so far. `metrics`: the last number of each name that it has printed;
    those that JSON does not know are texts, nan and inf."""

    job: int
    number: int = Field(description="Which one of the sweep it is, from 1 on.")
    at: At | None
    state: State
    seconds: float | None
    parameters: dict[str, str]
    metrics: dict[str, float | int | str]


class Results(BaseModel):
    """The table of a sweep. `best`: the job that has the best number; `unread`: of how many jobs nobody has read yet
    what they have printed: ask again; `troubles`: why of some that can not be done now."""

    sweep: str
    parameters: list[str]
    metrics: list[str]
    results: list[Result]
    best: int | None
    unread: int
    troubles: list[str]
