"""What a manager of simple-job-submit understands and answers, in both of its dialects: the client's side of `pipe`.

    ours        old          newer
    submit      job          submit_job      one job a request
    report      status       stat
    configure   configure    configure

The old dialect tells how many jobs run, and what the queue holds without ids; the newer one tells both with ids. Either
way the queue comes as text, a list as Python 2 printed it. A code other than 0 is a refusal.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import Any, Dict, Iterator, List, Tuple

from sjs.core.job import FAIL, Spec
from sjs.errors import BadRequest, Refused, Unreachable

Record = Dict[str, Any]

OLD, NEW = "status", "stat"
DIALECTS = (OLD, NEW)
"""Each by the name that it has for our `report`."""

MAX_BYTES = 4096
"""A longer line is not written in one piece, and half of one would be the end of the manager."""

UNKNOWN = 1

_JOB = {OLD: "job", NEW: "submit_job"}
_TOKEN = re.compile(r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|[{}]""", re.DOTALL)


def ask_status(dialect: str, port: str) -> bytes:
    """The line that asks how the manager is, and for the reply at this FIFO."""
    return _line({"type": dialect}, port)


def ask_job(dialect: str, spec: Spec, port: str) -> bytes:
    """The line that hands in a job."""
    return _line({"type": _JOB[dialect], "run": command(spec)}, port)


def ask_configure(maximum: int, port: str) -> bytes:
    """The line that sets how many jobs may run."""
    return _line({"type": "configure", "max_jobs": maximum}, port)


def command(spec: Spec) -> str:
    """The job as shell text, which is all that can be handed in there."""
    if spec.on_lost != FAIL:
        raise BadRequest("a manager of simple-job-submit forgets its jobs when it ends", "without --on-lost")
    if spec != Spec(spec.command, spec.argv, spec.cwd):
        raise BadRequest("a manager of simple-job-submit knows commands, and nothing else of a job", "only --cwd")
    text = spec.command if spec.command is not None else " ".join(map(shlex.quote, spec.argv or ()))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRequest("a manager of simple-job-submit takes no bytes that are not UTF-8") from None
    return f"cd {shlex.quote(spec.cwd)} || exit; {text}" if spec.cwd else text


def understood(data: bytes) -> Record:
    """The reply, whatever it says."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or type(body.get("code")) is not int:
        raise Unreachable(f"what came is no reply of a manager of simple-job-submit: {data[:80]!r}")
    return body


def granted(body: Record) -> Record:
    """The reply, if it is not a refusal."""
    if body["code"] != 0:
        raise Refused(f"{body.get('message', 'refused without a reason')} (code {body['code']})")
    return body


def job_id(body: Record) -> int:
    """The id that a job was given."""
    return _whole(body, "job_id")


def report(body: Record, head: int) -> Record:
    """How the manager is, in our own words, with the first `head` queued jobs."""
    running = body.get("jobs_running")
    number = len(running) if isinstance(running, list) else _whole(body, "jobs_running")
    count, queued = _queue(str(body.get("jobs_queued", "[]")), head)
    count = _whole(body, "num_jobs_queued") if "num_jobs_queued" in body else count
    return {
        "running": number,
        "max": _whole(body, "max_jobs_running"),
        "queued": count,
        "head": queued,
        "live": [_named(one) for one in running] if isinstance(running, list) else [],
        "counts": {"running": number, "queued": count},
    }


def configured(body: Record) -> Record:
    """The old and the new maximum."""
    return {"old": _whole(body, "old_max_jobs_running"), "new": _whole(body, "new_max_jobs_running")}


def _line(request: Record, port: str) -> bytes:
    data = json.dumps({**request, "git": False, "make": False, "port": port}).encode("ascii") + b"\n"
    if len(data) > MAX_BYTES:
        raise BadRequest(
            f"the job takes {len(data)} bytes; a manager of simple-job-submit can safely be sent {MAX_BYTES}",
            "put it into a script file",
        )
    return data


def _queue(text: str, limit: int) -> Tuple[int, List[Record]]:
    """How many entries a Python 2 list of dicts has, and the first of them. Only those are looked into."""
    count, found = 0, []
    for start, end in _braces(text):
        if count < limit:
            found.append(_named(_literal(text[start:end])))
        count += 1
    return count, found


def _braces(text: str) -> Iterator[Tuple[int, int]]:
    """Where the outermost dicts are; braces within texts do not count."""
    depth = start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            start = start if depth else token.start()
            depth += 1
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                yield start, token.end()


def _literal(text: str) -> Any:
    """A value as Python 2 printed it; nothing but literals is understood."""
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _named(entry: Any) -> Record:
    """A job of the queue: `job` and `job_id`, or the old dialect's whole request, which has no id."""
    known = entry if isinstance(entry, dict) else {}
    number = known.get("job_id")
    return {"job": str(known.get("job", known.get("run", "?"))), "job_id": number if type(number) is int else None}


def _whole(body: Record, key: str) -> int:
    value = body.get(key)
    if type(value) is not int:
        raise Unreachable(f"the manager's reply has no {key}: {str(body):.80}")
    return value
