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

from sjs.core.job import FAIL, MAX_COMMAND_BYTES, ON_LOST, End, Job, Range, Spec
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


to_json = json.JSONEncoder(separators=(",", ":")).encode
"""Compact JSON. (`json.dumps` with such an option makes an encoder for every text, which costs more than the text.)"""


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


def spec_to_wire(spec: Spec) -> Dict[str, Any]:
    body: Dict[str, Any] = {}
    if spec.argv is not None:
        body["argv"] = list(spec.argv)
    else:
        body["command"] = spec.command
    if spec.cwd is not None:
        body["cwd"] = spec.cwd
    if spec.on_lost != FAIL:
        body["on_lost"] = spec.on_lost
    return body


def spec_from_wire(body: Any) -> Spec:
    """A checked spec: exactly one of command and argv, no NUL, no string longer than a process can be given."""
    if not isinstance(body, dict):
        raise BadRequest("a job is an object with 'command' or 'argv'")
    command, argv, cwd = body.get("command"), body.get("argv"), body.get("cwd")
    if (command is None) == (argv is None):
        raise BadRequest("a job has either 'command' or 'argv'")
    if argv is not None:
        if not isinstance(argv, list) or not argv or not argv[0]:
            raise BadRequest("'argv' is a list of strings, the first of them the program")
        for word in argv:
            _check_text("argv", word)
        return Spec(argv=tuple(argv), cwd=_optional_text("cwd", cwd), on_lost=_on_lost(body))
    return Spec(command=_check_text("command", command), cwd=_optional_text("cwd", cwd), on_lost=_on_lost(body))


def spec_to_text(spec: Spec) -> str:
    """The spec as it is stored."""
    return to_json(spec_to_wire(spec))


def spec_from_text(stored: str) -> Spec:
    """The stored spec, checked again: a disk or a hand may have changed it."""
    return spec_from_wire(decode(stored))


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
        **spec_to_wire(job.spec),
    }


def job_from_wire(body: Dict[str, Any]) -> Job:
    """The job that a record tells of."""
    end = None
    if body.get("reason"):
        end = End(body["reason"], body.get("exit"), body.get("signal"), body.get("detail") or "")
    return Job(
        id=body["id"],
        spec=spec_from_wire(body),
        state=body["state"],
        submitted=body["submitted"],
        attempt=body["attempt"],
        started=body.get("started"),
        ended=body.get("ended"),
        pid=body.get("pid"),
        end=end,
    )


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
    return [_range(key, one) for one in value]


def _range(key: str, value: Any) -> Tuple[int, int]:
    if isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value):
        low, high = value
        if 0 <= low <= high <= MAX_ID:
            return low, high
    raise BadRequest(f"'{key}' holds {value!r:.40}, which is no range [first, last] of job ids")


def _check_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"'{name}' must be text")
    if "\0" in value:
        raise BadRequest(f"'{name}' holds a NUL character, which no process can be given")
    try:
        size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise BadRequest(f"'{name}' holds half of a surrogate pair, which is no text") from None
    if size > MAX_COMMAND_BYTES:
        raise BadRequest(
            f"'{name}' has {size} bytes; a process can be given {MAX_COMMAND_BYTES}", "put it into a script file"
        )
    return value


def _on_lost(body: Dict[str, Any]) -> str:
    value = body.get("on_lost", FAIL)
    if value not in ON_LOST:
        raise BadRequest(f"'on_lost' must be one of {', '.join(ON_LOST)}, not {value!r:.40}")
    return str(value)


def _optional_text(name: str, value: Any) -> Optional[str]:
    return None if value is None else _check_text(name, value)
