"""What a job can be told, as Python says it: the options of the command line, by the same names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from sjs import spec_json
from sjs.capture.known import Known
from sjs.capture.taking import take
from sjs.config import cache_path
from sjs.core import quantities
from sjs.core.job import Range, Retry, Snapshot, Spec
from sjs.core.needs import Needs
from sjs.environment import digest, gathered
from sjs.errors import BadRequest, UsageError
from sjs.protocols import Envs
from sjs.routing import Notice
from sjs.snapshots.store import Store
from sjs.targets import native
from sjs.targets.bringing import Slowness
from sjs.values import dataclass, field, replace

if TYPE_CHECKING:
    from sjs.api.jobs import Job

Path = str | os.PathLike[str]
Size = int | str
"""Bytes, or as on the command line: "512M", "4G"."""
Duration = float | str
"""Seconds, or as on the command line: "90", "10m", "1h30m"."""
Command = str | Sequence[str]
"""Text for /bin/sh, or the words of a command that meets no shell."""


class JobOptions(TypedDict, total=False):
    """What a job can be told; `submit job --help` says what each means."""

    name: str
    tags: Mapping[str, str]
    cwd: Path
    env: Mapping[str, str]
    env_file: Path
    capture_env: bool | str
    """The variables that are set here, too; or of those whose names fit: "CUDA_*,PATH"."""
    priority: int
    slots: int
    cpus: int
    mem: Size
    gpus: float
    gpu_mem: Size
    resources: Mapping[str, int]
    timeout: Duration
    grace: Duration
    after: Job | Iterable[Job] | Mapping[str, Iterable[Job]]
    """Jobs that are to have succeeded; or by what they are to have done, "ok", "any" or "notok"."""
    at: float | datetime
    delay: Duration
    """Not before so long from now; on the command line --in."""
    hold: bool
    retries: int
    backoff: Duration | tuple[Duration, float]
    """The pause before it is tried again, and how many times longer each next one is."""
    retry_on: Iterable[str]
    on_lost: Literal["fail", "requeue"]
    stdin: Path
    nice: int
    merge_output: bool
    snapshot: bool | Path
    """Run in a copy of this folder, or that one, as it is now."""
    snapshot_limit: Size
    partition: str
    """This and what follows is for Slurm alone, up to `slurm`."""
    account: str
    qos: str
    slurm: Sequence[str]
    """Flags for sbatch, each in one word."""
    image: str
    """This and what follows is for Kubernetes alone, up to `ttl`."""
    resources_flavor: str | Mapping[str, Any]
    """A name that the target knows; or the whole: {"name": "small", "resources": {"requests": {"cpu": 1}}}."""
    entrypoint: bool
    job_name: str
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    volumes: Sequence[str]
    priority_class: str
    security_context: Mapping[str, Any]
    ttl: Duration
    key: str
    """A name for this handing in: with the same one again, nothing runs twice."""
    if_free: bool


@dataclass(frozen=True)
class Terms:
    """What the options of one handing in come to. `target`: where the jobs are that its own wait for."""

    spec: Spec
    envs: Envs = field(default_factory=dict)
    key: str | None = None
    if_free: bool = False
    target: str = ""


_PLAIN = ("name", "priority", "hold", "on_lost", "nice")
_PATHS = ("cwd", "stdin")
_TIMES = ("timeout", "grace")
_NEEDED: Mapping[str, Callable[[Any], int]] = {
    "slots": int,
    "cpus": int,
    "mem": lambda given: size_of(given),
    "gpus": lambda given: quantities.share(str(given)),
    "gpu_mem": lambda given: size_of(given),
}


def terms(given: JobOptions, notice: Notice) -> Terms:
    """The options, checked. A snapshot is taken now."""
    unknown = sorted(given.keys() - JobOptions.__annotations__.keys())
    if unknown:
        raise TypeError(f"no such option of a job: {unknown[0]}; there are {', '.join(JobOptions.__annotations__)}")
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        spec = replace(_spec(said), command="")
        spec_json.from_wire(spec_json.to_wire(spec))
    except BadRequest as error:
        raise UsageError(error.message, error.hint) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"an option of the job is wrong: {error}") from None
    variables = _environment(said)
    envs = {digest(variables): variables} if variables else {}
    spec = spec.but(command=None, env_base=next(iter(envs), ""), snapshot=_snapshot(said, notice))
    return Terms(spec, envs, said.get("key"), bool(said.get("if_free")), _home(said.get("after", ())))


def spec_of(command: Command, base: Spec) -> Spec:
    """One job."""
    if isinstance(command, str):
        spec = base.but(command=command)
        if not command.strip():
            raise UsageError("a job has no command", "text for /bin/sh, or a list of words")
    else:
        spec = base.but(argv=tuple(os.fspath(word) for word in command))
    try:
        spec_json.from_wire(spec_json.to_wire(spec))
    except BadRequest as error:
        raise UsageError(error.message, error.hint) from None
    return spec


def _spec(said: Mapping[str, Any]) -> Spec:
    plain: dict[str, Any] = {name: said[name] for name in _PLAIN if name in said}
    if "job_name" in said:
        plain.setdefault("name", said["job_name"])
    plain.update((name, os.fspath(said[name])) for name in _PATHS if name in said)
    plain.update((name, seconds_of(said[name])) for name in _TIMES if name in said)
    return Spec(
        **plain,
        merge=bool(said.get("merge_output")),
        tags=tuple(said.get("tags", {}).items()),
        env=tuple(said.get("env", {}).items()),
        needs=Needs(
            **{name: read(said[name]) for name, read in _NEEDED.items() if name in said},
            named=tuple(sorted(said.get("resources", {}).items())),
        ),
        retry=_retry(said),
        after=_after(said.get("after", ())),
        at=_moment(said),
        native=native.changed(_NOTHING, said),
    )


_NOTHING = Spec()


def size_of(given: Size) -> int:
    """The bytes that are meant."""
    return given if isinstance(given, int) else quantities.size(given)


def seconds_of(given: Duration) -> float:
    """The seconds that are meant."""
    return quantities.duration(given) if isinstance(given, str) else float(given)


def _retry(said: Mapping[str, Any]) -> Retry:
    if "retries" not in said:
        if "backoff" in said or "retry_on" in said:
            raise ValueError("backoff and retry_on are for retries")
        return Retry()
    pause = said.get("backoff", (0.0, 1.0))
    first, factor = pause if isinstance(pause, tuple) else (pause, 1.0)
    on = tuple(said["retry_on"]) if "retry_on" in said else Retry().on
    return Retry(said["retries"], seconds_of(first), float(factor), on)


def _moment(said: Mapping[str, Any]) -> float | None:
    if "at" in said and "delay" in said:
        raise ValueError("at and delay: give one of them")
    if "delay" in said:
        return time() + seconds_of(said["delay"])
    at = said.get("at")
    return at.timestamp() if isinstance(at, datetime) else None if at is None else float(at)


def _parents(given: Any) -> dict[str, list[Job]]:
    if isinstance(given, Mapping):
        return {kind: list(jobs) for kind, jobs in given.items()}
    return {"ok": list(given) if isinstance(given, Iterable) else [given]}


def _after(given: Any) -> tuple[tuple[str, tuple[Range, ...]], ...]:
    return tuple((kind, tuple((job.id, job.id) for job in jobs)) for kind, jobs in _parents(given).items() if jobs)


def _home(given: Any) -> str:
    """Where those are for whom a job waits: there it must go, too."""
    homes = {job.target for jobs in _parents(given).values() for job in jobs}
    if len(homes) > 1:
        raise UsageError(f"a job cannot wait for jobs of {' and '.join(sorted(homes))}", "all are to be of one target")
    return next(iter(homes), "")


def _environment(said: Mapping[str, Any]) -> dict[str, str]:
    capture = said.get("capture_env", False)
    path = os.fspath(said["env_file"]) if "env_file" in said else None
    return gathered(os.environ, None if capture is False else "" if capture is True else capture, path)


def _snapshot(said: Mapping[str, Any], notice: Notice) -> Snapshot | None:
    wanted = said.get("snapshot", False)
    if wanted is False:
        return None
    folder = "." if wanted is True else os.fspath(wanted)
    progress = Slowness(lambda line: notice("snapshot", line), "reading files")
    store, known = Store(cache_path("snapshots", os.environ)), Known(folder, cache_path("known", os.environ))
    limit = size_of(said["snapshot_limit"]) if "snapshot_limit" in said else None
    taken = take(folder, store, known, progress, limit)
    if taken.links_out:
        notice("snapshot", f"{taken.links_out} of its links lead out of it, as does {taken.link_out}")
    return taken.snapshot
