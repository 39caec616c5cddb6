"""What comes through the door: the requests of simple-job-submit's clients, in both of its dialects.

    old (`submit.py`)     newer (`sjs-client.py`)   more keys                     reply, besides "code" and "status"
    job                   submit_job                run                           job_id
    status                stat                                                    jobs_running, jobs_queued, …
    configure             configure                 max_jobs                      old_max_…, new_max_jobs_running
                          cancel                    job_to_cancel: id, all, *     jobs_cancelled
                          shutdown

Every request has `type`, `git`, `make` and `port`, the name of the FIFO that waits for the reply. The replies'
keys stand in the order in which Python 2 printed them. Codes: 0 done, 1 not understood, 2 bad value, 3 no such job in
the queue, 4 too busy to shut down.

The third kind of record is ours: `{"session": NAME}`, by which `ask` says that it waits at a pair of pipes.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, Callable, Dict, List, Optional, Tuple

from sjs.errors import BadRequest, SjsError, UnknownJob, UnknownRequest
from sjs.values import dataclass

Record = Dict[str, Any]

MAX_HEAD = 100
"""Queued jobs that a status reply names."""

MAX_ATTEMPTS = 4
"""How many beginnings are tried in a damaged line. Within a good record, only the end of a string can look like one."""

_SESSION = re.compile(r"[0-9a-f-]{8,64}")
_PORT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_BEGINNING_BACKWARDS = re.compile(r'"\s*\{')
_LONG_NUMBER = re.compile(r"[0-9]{20}")
_ALL = ("all", "*")


@dataclass(frozen=True)
class Call:
    """A record understood: what to do, and how its sender wants to hear of it."""

    request: Record
    """The request in our own words, without `id`. What the values are worth is not checked yet."""

    shape: str
    """The record's `type`: it names dialect and form of the reply."""

    port: Optional[str] = None
    """Name of the reply FIFO, None when there is none or its name is not a plain one."""

    port_refused: bool = False
    hooks: Tuple[str, ...] = ()
    """Which of `git` and `make` are to run before the request is handled."""

    asked: Any = None
    """What a `cancel` named, for the reply that says it is not there."""


def split(line: bytes) -> Optional[Record]:
    """The record in one line read at the door, None when there is none.

    A writer that died in the middle of a line leaves its half in front of the next writer's record; then the last
    part of the line that is a record counts. Bytes that are not UTF-8 are kept as surrogates.
    """
    text = line.decode("utf-8", "surrogateescape").strip()
    whole = _parse(text)
    if isinstance(whole, dict):
        return whole
    for beginning in islice(_BEGINNING_BACKWARDS.finditer(text[::-1]), MAX_ATTEMPTS):
        part = _parse(text[-beginning.end() :])
        if isinstance(part, dict) and ("type" in part or "session" in part):
            return part
    return None


def session_of(record: Record) -> Optional[str]:
    """The name of the session that the record opens, None when it opens none."""
    name = record.get("session")
    return name if isinstance(name, str) and _SESSION.fullmatch(name) else None


def translate(record: Record) -> Call:
    """The record in our own words. Never fails: what nobody understands becomes the request `unknown`."""
    shape = record.get("type")
    port = record.get("port") or None
    plain = isinstance(port, str) and _PORT.fullmatch(port) is not None
    request = _REQUESTS[shape](record) if isinstance(shape, str) and shape in _REQUESTS else {"op": "unknown"}
    return Call(
        request=request,
        shape=shape if isinstance(shape, str) else "",
        port=port if plain else None,
        port_refused=port is not None and not plain,
        hooks=tuple(name for name in ("git", "make") if record.get(name) is True),
        asked=record.get("job_to_cancel"),
    )


def reply(call: Call, result: Record) -> bytes:
    """The reply as the sender of the call expects it: JSON text without a newline."""
    return _text(_REPLIES[call.shape](call, result))


def failure(call: Call, error: SjsError) -> bytes:
    """The reply that says why the call was not done."""
    if isinstance(error, UnknownRequest):
        return _text(_error(1, "unknown command"))
    if isinstance(error, UnknownJob):
        return _text(_not_found(call))
    if isinstance(error, BadRequest):
        known = call.shape == "configure"
        return _text(_error(2, "invalid new max jobs running (must be >= 0)" if known else str(error)))
    return _text(_error(1, str(error)))


def python2_repr(text: str) -> str:
    """What Python 2's repr made of a text that came out of JSON."""
    quote = '"' if "'" in text and '"' not in text else "'"
    body = text.encode("unicode_escape").decode("ascii")
    return "u" + quote + body.replace(quote, "\\" + quote) + quote


def _parse(text: str) -> Any:
    """The JSON value that the whole text is, None when it is none. Control characters may stand as they are: some
    shells' `echo` has undone their escapes."""
    decoder = _CAREFUL if _LONG_NUMBER.search(text) else _DECODER
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        return None


def _short_number(digits: str) -> int:
    """Python without a limit on digits takes seconds for a number of a million."""
    if _LONG_NUMBER.search(digits):
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


_DECODER = json.JSONDecoder(strict=False)
_CAREFUL = json.JSONDecoder(strict=False, parse_int=_short_number)


def _submit(record: Record) -> Record:
    return {"op": "submit", "key": None, "jobs": [{"command": record.get("run")}]}


def _report(record: Record) -> Record:
    return {"op": "report", "head": MAX_HEAD}


def _configure(record: Record) -> Record:
    return {"op": "configure", "max_jobs": record.get("max_jobs")}


def _cancel(record: Record) -> Record:
    """Running jobs cannot be cancelled in this dialect, so the request is for queued ones only."""
    wanted = record.get("job_to_cancel")
    jobs = None if wanted in _ALL else [[wanted, wanted]]
    return {"op": "cancel", "jobs": jobs, "queued_only": True}


def _shutdown(record: Record) -> Record:
    return {"op": "stop", "kill": False, "if_idle": True}


_REQUESTS: Dict[str, Callable[[Record], Record]] = {
    "job": _submit,
    "submit_job": _submit,
    "status": _report,
    "stat": _report,
    "configure": _configure,
    "cancel": _cancel,
    "shutdown": _shutdown,
}


def _submitted(call: Call, result: Record) -> Record:
    return {"status": "OK", "message": "job submitted successfully", "code": 0, "job_id": result["first"]}


def _old_status(call: Call, result: Record) -> Record:
    """Queued jobs are shown as the requests that brought them."""
    entry = "{u'type': u'job', u'make': False, u'git': False, u'run': %s, u'port': u''}"
    queued = [entry % python2_repr(one["job"]) for one in result["head"][:MAX_HEAD]]
    return {
        "status": "OK",
        "jobs_running": result["running"],
        "max_jobs_running": result["max"],
        "code": 0,
        "jobs_queued": f"[{', '.join(queued)}]",
    }


def _new_status(call: Call, result: Record) -> Record:
    entry = "{'job': %s, 'job_id': %d}"
    queued = [entry % (python2_repr(one["job"]), one["job_id"]) for one in result["head"][:MAX_HEAD]]
    return {
        "status": "OK",
        "jobs_running": _named(result["live"]),
        "num_jobs_queued": result["queued"],
        "code": 0,
        "jobs_queued": f"[{', '.join(queued)}]",
        "max_jobs_running": result["max"],
        "num_jobs_running": result["running"],
    }


def _configured(call: Call, result: Record) -> Record:
    return {
        "status": "OK",
        "old_max_jobs_running": result["old"],
        "code": 0,
        "new_max_jobs_running": result["new"],
        "message": "configuration successful",
    }


def _cancelled(call: Call, result: Record) -> Record:
    if not result["jobs"]:
        return _not_found(call)
    return {"status": "OK", "jobs_cancelled": _named(result["jobs"]), "code": 0}


def _shut_down(call: Call, result: Record) -> Record:
    if not result["running"] and not result["queued"]:
        return {"status": "OK", "message": "shutdown successful", "code": 0}
    return {
        "status": "error",
        "message": "refusing shutdown (jobs still running or in queue)",
        "code": 4,
        "num_jobs_queued": result["queued"],
        "num_jobs_running": result["running"],
    }


_REPLIES: Dict[str, Callable[[Call, Record], Record]] = {
    "job": _submitted,
    "submit_job": _submitted,
    "status": _old_status,
    "stat": _new_status,
    "configure": _configured,
    "cancel": _cancelled,
    "shutdown": _shut_down,
}


def _error(code: int, message: str) -> Record:
    return {"status": "error", "message": message, "code": code}


def _not_found(call: Call) -> Record:
    body = _error(3, "requested cancellation not found in queue")
    body["requested_job_to_cancel"] = call.asked
    return body


def _named(jobs: List[Record]) -> List[Record]:
    return [{"job": one["job"], "job_id": one["job_id"]} for one in jobs]


def _text(body: Record) -> bytes:
    return json.dumps(body).encode("ascii")
