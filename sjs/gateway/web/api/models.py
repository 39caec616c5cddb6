"""What goes in and out of the native API, as its document describes it. What goes out is made elsewhere (`documents`):
these say what it is."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sjs.core.job import MAX_COMMAND_BYTES
from sjs.core.lifecycle import STATES
from sjs.gateway.identity.tokens import MOST_LABEL, SCOPES

UNSAID: Any = None
"""Of a field that may be left out; that it is null can not be said."""

MOST_DEEP = 20
"""Lists and objects within each other."""

MOST_AT_ONCE = 1_000
"""Jobs in one request."""

Text = Annotated[str, Field(max_length=MAX_COMMAND_BYTES, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Size = Annotated[int, Field(ge=0, le=2**62)] | Annotated[str, Field(max_length=40, examples=["512M", "4G"])]
Duration = Annotated[float, Field(ge=0.001, le=316_224_000)] | Annotated[str, Field(max_length=40, examples=["1h30m"])]
Moment = Annotated[float, Field(ge=0, le=2**40)]
State = Literal[STATES]  # type: ignore[valid-type]
Kind = Annotated[str, Field(pattern=r"^[a-z]{1,16}\.[a-z]{1,15}$", examples=["job.ended"])]
"""Of an event, whether there is such a one by now or not."""

Scope = Literal[SCOPES]  # type: ignore[valid-type]


def plain(value: Any, depth: int = MOST_DEEP) -> Any:
    """Whatever JSON has; of what JSON's readers take besides, some would be none when it is shown again."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("JSON has no such number")
    if isinstance(value, (dict, list)):
        if not depth:
            raise ValueError(f"it is nested more than {MOST_DEEP} times")
        for one in value.values() if isinstance(value, dict) else value:
            plain(one, depth - 1)
    return value


Anything = Annotated[Any, AfterValidator(plain)]


class Said(BaseModel):
    """What a caller says: no more than is known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Options(Said):
    """What a job can be told; `submit job --help` says what each means. A job of a spec, only the first six."""

    name: Name = Field(default=UNSAID)
    tags: dict[Name, Text] = Field(default=UNSAID)
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = Field(default=UNSAID)
    hold: bool = Field(default=UNSAID, description="It does not start before it is released.")
    at: Moment = Field(default=UNSAID, description="Not before this Unix time.")
    delay: Duration = Field(default=UNSAID, description="Not before so many seconds from now, or as 1h30m.")
    cwd: Text = Field(default=UNSAID, description="A folder of the machine, or below the target's own.")
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Text] = Field(default=UNSAID)
    slots: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=UNSAID)
    cpus: Count = Field(default=UNSAID)
    mem: Size = Field(default=UNSAID)
    gpus: Annotated[float, Field(ge=0, le=1_000)] = Field(default=UNSAID, description="Whole ones, or a part of one.")
    gpu_mem: Size = Field(default=UNSAID)
    resources: dict[Name, Count] = Field(default=UNSAID)
    timeout: Duration = Field(default=UNSAID)
    grace: Duration = Field(default=UNSAID, description="Between TERM and KILL.")
    retries: Count = Field(default=UNSAID)
    backoff: Duration | Annotated[list[Anything], Field(min_length=2, max_length=2)] = Field(
        default=UNSAID,
        description="The pause before it is tried again; or that, and how many times longer each next one is.",
    )
    retry_on: list[Annotated[str, Field(max_length=40)]] = Field(default=UNSAID)
    on_lost: Literal["fail", "requeue"] = Field(default=UNSAID)
    stdin: Text = Field(default=UNSAID)
    nice: Annotated[int, Field(ge=0, le=19)] = Field(default=UNSAID)
    merge_output: bool = Field(default=UNSAID)
    partition: Text = Field(default=UNSAID, description="This and what follows is for Slurm alone, up to `slurm`.")
    account: Text = Field(default=UNSAID)
    qos: Text = Field(default=UNSAID)
    slurm: list[Text] = Field(default=UNSAID)
    image: Text = Field(default=UNSAID, description="This and what follows is for Kubernetes alone.")
    resources_flavor: Text | dict[str, Anything] = Field(default=UNSAID)
    entrypoint: bool = Field(default=UNSAID)
    job_name: Text = Field(default=UNSAID)
    annotations: dict[str, Text] = Field(default=UNSAID)
    labels: dict[str, Text] = Field(default=UNSAID)
    volumes: list[Text] = Field(default=UNSAID)
    priority_class: Text = Field(default=UNSAID)
    security_context: dict[str, Anything] = Field(default=UNSAID)
    ttl: Duration = Field(default=UNSAID)


Patterns = Annotated[list[Annotated[str, Field(min_length=1, max_length=1_000)]], Field(max_length=100)]


class Keeping(Said):
    """What of the files that a job leaves in `$SJS_ARTIFACTS_DIR` is kept; nothing said: all, within bounds."""

    include: Patterns = Field(default=UNSAID, description="Patterns below that folder.", examples=[["*.png"]])
    exclude: Patterns = Field(default=UNSAID, examples=[["tmp/**"]])
    most_files: Annotated[int, Field(ge=0, le=1_000_000)] = Field(default=UNSAID)
    most_bytes: Annotated[int, Field(ge=0, lt=2**62)] = Field(default=UNSAID)


class NewJob(Said):
    """A job to hand in: one of `command`, `argv` and `spec`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "oneOf": [{"required": [one]} for one in ("command", "argv", "spec")],
            "dependentRequired": {"parameters": ["spec"]},
            "dependentSchemas": {"artifacts": {"not": {"required": ["spec"]}}},
        },
    )

    command: Annotated[Text, Field(min_length=1)] = Field(default_factory=str, description="Text for /bin/sh.")
    argv: list[Text] = Field(
        default_factory=list, min_length=1, max_length=10_000, description="Words; no shell sees them."
    )
    spec: str = Field(default_factory=str, min_length=1, max_length=100, description="The name of a job spec.")
    parameters: dict[str, Anything] = Field(default_factory=dict, description="What is said to the spec.")
    target: str = Field(
        default_factory=str,
        min_length=1,
        max_length=255,
        examples=["any", "any:@gpus"],
        description="Whom it is for, as the command line has it; else whom its spec names, or any.",
    )
    options: Options = Field(default_factory=Options)
    artifacts: Keeping = Field(default=UNSAID, description="Files to keep; of a spec's jobs, the spec says which.")

    @model_validator(mode="after")
    def is_one_of_three(self) -> NewJob:
        if len(self.model_fields_set & {"command", "argv", "spec"}) != 1:
            raise ValueError("a job has one of command, argv and spec")
        if "parameters" in self.model_fields_set and not self.spec:
            raise ValueError("parameters are for a spec")
        if "artifacts" in self.model_fields_set and self.spec:
            raise ValueError("the spec says which files are kept")
        return self


class NewJobs(Said):
    """Jobs to hand in: all, or none of them."""

    jobs: list[NewJob] = Field(min_length=1, max_length=MOST_AT_ONCE)


class Cancel(Said):
    """How a job is to be ended."""

    grace: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=UNSAID, description="Seconds between TERM and KILL."
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
    sweep: str | None = Field(description="Of which it is one.")
    parameters: dict[str, Any] | None = Field(description="Those of its spec, or of its sweep.")
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


class Spec(BaseModel):
    """A job spec. `error`: what is wrong with its file, and in which line; then nothing else is known of it."""

    name: str
    error: str | None
    description: str
    target: str | None = Field(description="Whom its jobs are for, if nobody else is named.")
    parameters: dict[str, Any] | None = Field(description="What its parameters may be, as JSON Schema.")
    notes: list[str] = Field(description="What is odd in the file, and does not keep it from being used.")
    digest: str | None = Field(description="SHA-256 of the file.")


class Specs(BaseModel):
    """Job specs, by their names."""

    specs: list[Spec]


class Target(BaseModel):
    """Who runs jobs, and how it is. What is null nobody knows."""

    name: str
    state: Literal["ready", "drained", "paused", "unreachable"]
    reason: str | None = Field(description="Why it can not be asked, or starts nothing.")
    slots: int | None = Field(description="How many jobs may run at once.")
    running: int | None
    queued: int | None
    load: float | None = Field(description="How many processes want to run there.")
    mem_free: int | None = Field(description="Bytes.")
    version: str | None


class Targets(BaseModel):
    """Who there is, in the order of the config."""

    targets: list[Target]


class SomeLimits(Said):
    """How much a token may ask for; what is not said is as `gateway.limits` of its config has it."""

    rate: Annotated[float, Field(gt=0, le=1e6)] = Field(default=UNSAID, description="Requests a second, over time.")
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=UNSAID, description="Requests at once.")
    requests: Annotated[int, Field(ge=1, le=100_000)] = Field(default=UNSAID, description="Requests open at a time.")
    streams: Annotated[int, Field(ge=0, le=100_000)] = Field(default=UNSAID, description="Of events, open at a time.")
    queued: Annotated[int, Field(ge=0, le=2**31)] = Field(default=UNSAID, description="Jobs that have not ended.")
    items: Annotated[int, Field(ge=0, le=2**31)] = Field(default=UNSAID, description="Items in all pipelines.")


class NewToken(Said):
    """A token to make."""

    owner: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    scopes: list[Scope] = Field(min_length=1, max_length=10)
    label: Annotated[str, Field(max_length=MOST_LABEL)] = ""
    specs: list[Annotated[str, Field(max_length=100)]] = Field(
        default=UNSAID, max_length=1_000, description="Only these."
    )
    targets: list[Annotated[str, Field(max_length=255)]] = Field(
        default=UNSAID, max_length=1_000, description="Only these."
    )
    expires: Moment = Field(default=UNSAID, description="Unix time.")
    limits: SomeLimits = SomeLimits()


class Limited(BaseModel):
    """How much a token may ask for."""

    rate: float
    burst: int
    requests: int
    streams: int
    queued: int
    items: int


class Token(BaseModel):
    """What is kept of a token."""

    id: str
    owner: str
    label: str
    scopes: list[str]
    specs: list[str] | None
    targets: list[str] | None
    created: float
    expires: float | None
    revoked: float | None
    used: float | None = Field(description="To the hour.")
    limits: Limited


class Tokens(BaseModel):
    """Tokens, the oldest first."""

    tokens: list[Token]


class MadeToken(Token):
    """A token and its text, which is shown once."""

    token: str


class Artifact(BaseModel):
    """A file that a job has left."""

    uuid: str
    name: str
    attempt: int
    mime: str
    size: int
    sha256: str
    created: float


class Artifacts(BaseModel):
    """What is kept. `is_complete`: nothing more comes; `left_out`: what was not kept, in words."""

    artifacts: list[Artifact]
    is_complete: bool
    left_out: list[str]


class Link(BaseModel):
    """An address that is good without a token until then. One that begins with a stroke is the gateway's own."""

    url: str
    expires: float
