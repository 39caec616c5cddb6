"""What job_manager says, to the letter. Whatever it is, it is called HTML; clients read JSON in it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any

HTML = "text/html; charset=utf-8"

HELLO = "Hello World!"
NADA = "nada"
"""There is no job at that stage."""

_WHOLE = "Are all simulations within time frame?"
_MOVED = "n_bad_jobs were degraded:"

_ESCAPES = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&"})
"""JSON that is called HTML has none of HTML's signs in it; to who parses it, it is the same."""


class Unfit(Exception):
    """A request that is not carried out: the status of its answer, and what the page says."""

    def __init__(self, status: int, text: str, allowed: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.allowed = allowed


def json_of(value: Any) -> str:
    """As Python writes it, with blanks."""
    return json.dumps(value).translate(_ESCAPES)


def accepted(jobix: int) -> str:
    return f"Accepted to {jobix}!"


def updated(number: int, stage: int) -> str:
    return f"Success, job {number} was updated to stage {stage}!"


def taken(number: int, command: str, stage: int, jobix: int) -> str:
    """A job for who asked at a stage. `command`: JSON, which is not read again: it may be nested as deeply as can just
    be written, and by now the job is given out."""
    text = f'{{"jobid": {number}, "jobcmd": {command}, "jobstage": {stage}, "jobix": {jobix}}}'
    return text.translate(_ESCAPES)


def checked(has_expired: bool, unlimited: int, moved: int | None = None) -> Mapping[str, int]:
    """0 where a job has expired, and only there; else 1, and 100 for each that never will. `moved`: how many were put
    to another stage, if that was asked for."""
    found = {_WHOLE: 0 if has_expired else 1 + 100 * unlimited}
    return found if moved is None else {**found, _MOVED: moved}


def lifetime(stage: int, seconds: float) -> str:
    return f"Job stage: {stage}; lifetime: {minutes(seconds)} minutes"


def minutes(seconds: float) -> int | float:
    """A whole number wherever it is one."""
    found = seconds / 60
    return int(found) if found == int(found) else found


def problem(status: int, text: str) -> str:
    """The page of an error."""
    phrase = HTTPStatus(status).phrase
    return (
        f"<!doctype html>\n<html lang=en>\n<title>{status} {phrase}</title>\n<h1>{phrase}</h1>\n<p>{escape(text)}</p>\n"
    )
