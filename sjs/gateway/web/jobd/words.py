"""What jobd says of jobs: its keys in their order, its states, its messages. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Row

from sjs.core.lifecycle import SUCCEEDED
from sjs.errors import BadRequest
from sjs.gateway.artifacts.collecting import OF_NO_FILE

ORIGIN = "jobd"
"""By which dialect a job came, in the records."""

QUEUED, SUCCESS, FAILED, PARTIAL = "QUEUED", "SUCCESS", "FAILED", "PARTIAL"

FINISHED = "job finished successfully"
EXISTS = "job already exists"
NO_SCRIPT = "run.sh does not exist in the input file"
NOWHERE = ""
"""The target of jobs that nothing can run: of those for SLURM, where none is configured."""

MAX_ID = 255

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What no path may have in it, by which a job is asked for."""

_NO_ZIP = "could not unzip file, is it base64 encoded? error: "
_NOT_FINISHED = "could not finish the job, error: "


def no_zip(why: str) -> str:
    """The message of an upload that is no archive, or none that is unpacked."""
    return _NO_ZIP + why


def check_name(name: str) -> None:
    """BadRequest where a job cannot be called so."""
    if not name:
        raise _bad_id("is required")
    if len(name) > MAX_ID:
        raise _bad_id(f"has more than {MAX_ID} characters")
    if _CONTROL.search(name):
        raise _bad_id("has control characters in it")


def _bad_id(why: str) -> BadRequest:
    return BadRequest(f"error validating job job id {why}")


def created(at: float, name: str, for_slurm: bool, text: Any) -> dict[str, Any]:
    """What is answered to an upload; `text`: what came as `input`."""
    return _document(at, name, QUEUED, Path=f"data/{name}", Input=text, Slurml=for_slurm)


def ended(row: Row[Any], output: Any) -> dict[str, Any]:
    """What is said of a job that has ended; `output`: the archive of what it has left."""
    for_slurm = row.parameters is not None
    return _document(
        max(row.created, row.ended or 0.0),
        row.public,
        status(row),
        Output=output,
        Message=message(row),
        SlurmID=(row.number or 0) if for_slurm else 0,
        Slurml=for_slurm,
    )


def status(row: Row[Any]) -> str:
    """How a job has ended: PARTIAL, if it went well and not all that it has left could be had."""
    if row.state != SUCCEEDED:
        return FAILED
    return PARTIAL if _lacking(row) else SUCCESS


def message(row: Row[Any]) -> str:
    """What is said of how it ended."""
    if row.rules is None:  # it was never handed in
        return str(row.detail)
    if row.state != SUCCEEDED:
        return _NOT_FINISHED + _why(row)
    lacking = _lacking(row)
    return f"{FINISHED}, but not all that it has left is here: {'; '.join(lacking)}" if lacking else FINISHED


def _lacking(row: Row[Any]) -> list[str]:
    """What could not be had of it. Links and their like are in no output, and nobody misses them."""
    return [line for line in (row.left_out or "").splitlines() if not line.endswith(OF_NO_FILE)]


def _why(row: Row[Any]) -> str:
    """As Go says it, of what Go has words for."""
    if row.reason == "exit":
        return f"exit status {row.exit}"
    if row.reason == "signal":
        return f"signal: {_signal(row.signal)}"
    return str(row.detail or row.reason)


def _signal(number: int) -> str:
    said = signal.strsignal(number) if 0 < number < signal.NSIG else None
    return said.lower() if said and number < signal.SIGRTMIN else f"signal {number}"


def _document(at: float, name: str, state: str, **said: Any) -> dict[str, Any]:
    usual = {"LastUpdated": moment(at), "ID": name, "Status": state, "Path": "", "Input": "", "Output": ""}
    return {**usual, "Message": "", "SlurmID": 0, "Slurml": False, **said}


def moment(at: float) -> str:
    """A time as Go's JSON has it: with nanoseconds, without zeros at their end."""
    seconds = int(at)
    rest = min(round((at - seconds) * 1e9), 999_999_999)
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


def problem(status: int, error: str, text: str) -> Mapping[str, Any]:
    """What every other answer says."""
    return {"error": error, "message": text, "status": status}
