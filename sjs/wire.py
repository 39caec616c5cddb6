"""Our own messages: one JSON object a line.

    request   {"op": "submit", "id": 7, …}
    reply     {"id": 7, …}
    error     {"id": 7, "error": {"code": …, "message": …, "hint": …}}      without "id": the whole session failed
    bytes     {"id": 7, "bytes": 4096} and then 4096 raw bytes

A line is at most MAX_LINE bytes, raw bytes at most MAX_FRAME a piece. Text is ASCII on the wire: what is not, is
escaped, so that even file names that are not UTF-8 (surrogates, in Python) arrive as they were.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Tuple, Union

from sjs import spec_json
from sjs.compact import to_json
from sjs.core.job import End, Job, Range
from sjs.core.needs import WHOLE, Gpu, Grant, Machine, Needs, Room
from sjs.errors import BadRequest

VERSION = 1
MAX_LINE = 4 << 20
MAX_FRAME = 256 << 10
MAX_CHUNK_JOBS = 1_000
MAX_CHUNK_BYTES = 1 << 20
MAX_PAGE = 1_000
MAX_HEAD = 100
MAX_ID = 2**62
REMOVED = "removed"
"""Where jobs are counted by state: those that have ended so long ago that there are no records of them."""


def encode(message: Dict[str, Any]) -> bytes:
    """The message as one line."""
    return to_json(message).encode("ascii") + b"\n"


def decode(line: Union[bytes, str]) -> Dict[str, Any]:
    """The message in a line; BadRequest when there is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"not a JSON line: {error}") from None
    if not isinstance(message, dict):
        raise BadRequest("not a JSON object")
    return message


def job_to_wire(job: Job) -> Dict[str, Any]:
    """A job's record as clients see it."""
    end = job.end or End("")
    return {
        "id": job.id,
        "state": job.state,
        "reason": end.reason or None,
        "exit": end.exit,
        "signal": end.signal,
        "detail": end.detail or None,
        "attempt": job.attempt,
        "submitted": job.submitted,
        "started": job.started,
        "ended": job.ended,
        "pid": job.pid,
        **{name: value for name, value in _rare(job).items() if value},
        **spec_json.to_wire(job.spec),
    }


def _rare(job: Job) -> Dict[str, Any]:
    """What most records do not hold."""
    return {
        "usage": dict(job.usage or {}),
        "granted": list(job.gpus),
        "due": job.due,
        "paused": job.paused,
        "retried": job.retried,
        "submitter": job.submitter,
        "via": job.via,
        "slurm": dict(job.place),
    }


def job_from_wire(body: Dict[str, Any]) -> Job:
    """The job that a record tells of."""
    end = None
    if body.get("reason"):
        end = End(body["reason"], body.get("exit"), body.get("signal"), body.get("detail") or "")
    return Job(
        id=body["id"],
        spec=spec_json.from_wire(body),
        state=body["state"],
        submitted=body["submitted"],
        attempt=body["attempt"],
        started=body.get("started"),
        ended=body.get("ended"),
        pid=body.get("pid"),
        end=end,
        usage=body.get("usage"),
        gpus=tuple((str(name), int(share)) for name, share in body.get("granted", ())),
        due=body.get("due"),
        paused=body.get("paused", False),
        retried=body.get("retried", 0),
        submitter=body.get("submitter", ""),
        via=body.get("via", ""),
        place=tuple((str(name), str(value)) for name, value in (body.get("slurm") or {}).items()),
    )


def machine_to_wire(machine: Machine, left: Room) -> Dict[str, Any]:
    """What a machine has, and what of it is free."""
    one = Needs()
    return {
        "machine": {
            "slots": machine.slots,
            "cpus": machine.cpus,
            "mem": machine.mem,
            "gpus": [{**vars(gpu), "free": left.gpu_left(gpu.name)} for gpu in machine.gpus],
            "resources": dict(machine.named),
            **({"each": True} if machine.each else {}),
        },
        "free": {
            **{kind: left.left(kind, one) for kind in ("slots", "cpus", "mem")},
            "resources": {name: left.left(name, one) for name, _ in machine.named},
        },
    }


def machine_from_wire(body: Dict[str, Any]) -> Tuple[Machine, Needs, Grant]:
    """The machine that a report tells of, and what is taken of it."""
    has, free = body["machine"], body["free"]
    gpus = tuple(Gpu(str(one["name"]), int(one["mem"]), str(one["kind"])) for one in has["gpus"])
    named = tuple(sorted((str(name), int(count)) for name, count in has["resources"].items()))
    plain = {kind: int(has[kind]) for kind in ("slots", "cpus", "mem")}
    taken = Needs(
        **{kind: count - int(free[kind]) for kind, count in plain.items()},
        named=tuple((name, count - int(free["resources"][name])) for name, count in named),
    )
    grant = tuple((str(one["name"]), WHOLE - int(one["free"])) for one in has["gpus"])
    return Machine(gpus=gpus, named=named, each=has.get("each") is True, **plain), taken, grant


def whole(message: Dict[str, Any], key: str, low: int, high: int, default: Optional[int] = None) -> int:
    """An integer field within bounds."""
    value = message.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadRequest(f"'{key}' must be a whole number from {low} to {high}, not {value!r:.40}")
    return value


def text(message: Dict[str, Any], key: str) -> str:
    """A non-empty string field."""
    value = message.get(key)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"'{key}' must be a non-empty string")
    return value


def job_set(message: Dict[str, Any], key: str = "jobs") -> Optional[List[Range]]:
    """A field with closed ranges of ids; None means all jobs."""
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_PAGE:
        raise BadRequest(f"'{key}' must be a list of at most {MAX_PAGE} ranges [first, last]")
    return [spec_json.range_of(key, one) for one in value]
