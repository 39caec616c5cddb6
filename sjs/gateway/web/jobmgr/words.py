"""Why a job has failed, in jobmgr's words, which are Go's; its clients show them, and some match them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from sjs.errors import SjsError
from sjs.gateway.specs.binding import Problem
from sjs.gateway.specs.folder import BadName, NoSpec

_SIGNALS = (
    *("hangup", "interrupt", "quit", "illegal instruction", "trace/breakpoint trap", "aborted", "bus error"),
    *("floating point exception", "killed", "user defined signal 1", "segmentation fault", "user defined signal 2"),
    *("broken pipe", "alarm clock", "terminated"),
)
"""As Go calls them, from 1 on."""

_UNSTARTED = re.compile(r"cannot (?P<verb>run|enter) (?P<what>.+): (?P<why>[^:]+)", re.DOTALL)
_BY_ENV = re.compile(r"env: .*: (?P<why>[^:]+)", re.DOTALL)


def of_error(error: SjsError) -> str:
    """Why there is no such job."""
    if isinstance(error, BadName):
        return "invalid job name"
    return "job does not exist" if isinstance(error, NoSpec) else error.message


def of_problem(problem: Problem) -> str:
    """What is wrong with a parameter; of its value nothing is told."""
    if problem.code == "bad_type":
        return f"type '{problem.data['type']}' of parameter '{problem.name}' is not valid"
    if problem.code == "not_a":
        return f"parameter '{problem.name}' has invalid value ''"
    return str(problem)


def of_end(row: Row[Any], argv: Sequence[str] = (), complaint: str = "") -> str:
    """Why a job of this row, which ran `argv`, has failed. `complaint`: what it had to say on its stderr."""
    if row.reason == "exit":
        is_env = row.exit in (126, 127) and argv[:1] == ["env"]
        return (_by_env(argv, complaint.strip()) if is_env else "") or f"exit status {row.exit}"
    if row.reason == "signal":
        return f"signal: {_signal(row.signal)}"
    if row.reason in ("timeout", "oom"):
        return "signal: killed"
    if row.reason == "spawn-error":
        return _unstarted(row.detail)
    return row.detail or str(row.reason)


def whole(first: str, folder: str) -> str:
    """The text of a failure: it ends with where the job ran, if it did."""
    return f"{first}\n\nJob directory: {folder}"


def _signal(number: int) -> str:
    return _SIGNALS[number - 1] if 0 < number <= len(_SIGNALS) else f"signal {number}"


def _by_env(argv: Sequence[str], complaint: str) -> str:
    """What env(1) says, which sets the job's variables, where it could not run the program."""
    program = next((word for word in argv[1:] if "=" not in word), "")
    match = _BY_ENV.fullmatch(complaint)
    return _not_run(program, match["why"]) if match and program and program in complaint else ""


def _unstarted(detail: str) -> str:
    match = _UNSTARTED.fullmatch(detail)
    if match is None:
        return detail
    if match["verb"] == "enter":
        return f"chdir {match['what']}: {match['why'].lower()}"
    return _not_run(match["what"], match["why"])


def _not_run(program: str, why: str) -> str:
    if "/" in program:
        return f"fork/exec {program}: {why.lower()}"
    return f'exec: "{program}": executable file not found in $PATH'
