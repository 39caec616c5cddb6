"""What goes in and out of the native API, as its document describes it. What goes out is made elsewhere (`documents`):
these say what it is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sjs.core.job import MAX_COMMAND_BYTES
from sjs.core.lifecycle import STATES

MOST_AT_ONCE = 1_000
"""Jobs in one request."""

Text = Annotated[str, Field(max_length=MAX_COMMAND_BYTES, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Size = Annotated[int, Field(ge=0, le=2**62)] | Annotated[str, Field(max_length=40, examples=["512M", "4G"])]
Duration = Annotated[float, Field(ge=0.001, le=316_224_000)] | Annotated[str, Field(max_length=40, examples=["1h30m"])]
Moment = Annotated[float, Field(ge=0, le=2**40)]
State = Literal[STATES]  # type: ignore[valid-type]


class Said(BaseModel):
    """What a caller says: no more than is known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Options(Said):
    """What a job can be told; `submit job --help` says what each means. A job of a spec, only the first six."""

    name: Name | None = None
    tags: dict[Name, Text] | None = None
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] | None = None
    hold: bool | None = Field(default=None, description="It does not start before it is released.")
    at: Moment | None = Field(default=None, description="Not before this Unix time.")
    delay: Duration | None = Field(default=None, description="Not before so many seconds from now, or as 1h30m.")
    cwd: Text | None = Field(default=None, description="A folder of the machine, or below the target's own.")
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Text] | None = None
    slots: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    cpus: Count | None = None
    mem: Size | None = None
    gpus: Annotated[float, Field(ge=0, le=1_000)] | None = Field(
        default=None, description="Whole ones, or a part of one."
    )
    gpu_mem: Size | None = None
    resources: dict[Name, Count] | None = None
    timeout: Duration | None = None
    grace: Duration | None = Field(default=None, description="Between TERM and KILL.")
    retries: Count | None = None
    backoff: Duration | Annotated[list[Any], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="The pause before it is tried again; or that, and how many times longer each next one is.",
    )
    retry_on: list[Annotated[str, Field(max_length=40)]] | None = None
    on_lost: Literal["fail", "requeue"] | None = None
    stdin: Text | None = None
    nice: Annotated[int, Field(ge=0, le=19)] | None = None
    merge_output: bool | None = None
    partition: Text | None = Field(default=None, description="This and what follows is for Slurm alone, up to `slurm`.")
    account: Text | None = None
    qos: Text | None = None
    slurm: list[Text] | None = None
    image: Text | None = Field(default=None, description="This and what follows is for Kubernetes alone.")
    resources_flavor: Text | dict[str, Any] | None = None
    entrypoint: bool | None = None
    job_name: Text | None = None
    annotations: dict[str, Text] | None = None
    labels: dict[str, Text] | None = None
    volumes: list[Text] | None = None
    priority_class: Text | None = None
    security_context: dict[str, Any] | None = None
    ttl: Duration | None = None


class NewJob(Said):
    """A job to hand in: one of `command`, `argv` and `spec`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [{"required": [one]} for one in ("command", "argv", "spec")],
            "dependentRequired": {"parameters": ["spec"]},
        },
    )

    command: Annotated[Text, Field(min_length=1)] = Field(default_factory=str, description="Text for /bin/sh.")
    argv: list[Text] = Field(
        default_factory=list, min_length=1, max_length=10_000, description="Words; no shell sees them."
    )
    spec: str = Field(default_factory=str, min_length=1, max_length=100, description="The name of a job spec.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="What is said to the spec.")
    target: str = Field(
        default_factory=str,
        min_length=1,
        max_length=255,
        examples=["any", "any:@gpus"],
        description="Whom it is for, as the command line has it; else whom its spec names, or any.",
    )
    options: Options = Field(default_factory=Options)

    @model_validator(mode="after")
    def is_one_of_three(self) -> NewJob:
        if len(self.model_fields_set & {"command", "argv", "spec"}) != 1:
            raise ValueError("a job has one of command, argv and spec")
        if "parameters" in self.model_fields_set and not self.spec:
            raise ValueError("parameters are for a spec")
        return self


class NewJobs(Said):
    """Jobs to hand in: all, or none of them."""

    jobs: list[NewJob] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Cancel(Said):
    """How a job is to be ended."""

    grace: Annotated[float, Field(ge=0, le=86_400)] | None = Field(
        default=None, description="Seconds between TERM and KILL."
    )


class Submitted(BaseModel):
    """The job that was taken. `repeated`: it had been, under the same key."""

    id: int
    repeated: bool


class SubmittedJobs(BaseModel):
    """The jobs that were taken, in their order. `repeated`: they had been, under the same key."""

    ids: list[int]
    repeated: bool


class At(BaseModel):
    """Where a job is, and the id that it has there."""

    target: str
    id: int


class Job(BaseModel):
    """All that the gateway knows of a job. Times are Unix seconds."""

    id: int
    name: str
    state: State
    owner: str
    target: str = Field(description="Whom it was handed in for.")
    at: At | None = Field(description="Who has it; nobody yet, or nobody ever, where this is null.")
    spec: str | None
    parameters: dict[str, Any] | None
    job: dict[str, Any] = Field(description="What runs.")
    attempt: int
    created: float
    started: float | None
    ended: float | None
    exit: int | None
    signal: int | None
    reason: str | None = Field(description="How it ended: exit, signal, timeout, oom, cancelled, refused, …")
    detail: str | None
    version: int = Field(description="How often the record has changed.")


class Jobs(BaseModel):
    """Some jobs, the newest first. `next`: the cursor of those that follow; null at the end."""

    jobs: list[Job]
    next: str | None


class Why(BaseModel):
    """In words, what a job waits for, or how it has ended."""

    why: list[str]


class Details(BaseModel):
    """A job; what its target knows of it besides, of its earlier attempts and of those who wait for it there, where a
    target has it."""

    job: Job
    record: dict[str, Any] | None
    attempts: list[dict[str, Any]]
    children: list[int]


class Trouble(BaseModel):
    """What is wrong with one field."""

    code: str
    name: str
    text: str


class Problem(BaseModel):
    """Why there is no other answer (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "there is no job 7",
                "code": "unknown_job",
                "request": "9f86d081884c7d65",
            }
        }
    )

    type: str
    title: str
    status: int
    detail: str = Field(description="For people.")
    code: str = Field(description="For programs.")
    request: str = Field(description="The id of the request, as in X-Request-Id.")
    hint: str = Field("", description="What to do.")
    problems: list[Trouble] = Field(default_factory=list)
