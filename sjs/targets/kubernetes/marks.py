"""What is written on our Jobs after they were made, and on those that are made for jobs that were there before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sjs.targets.kubernetes.names import OURS
from sjs.values import dataclass

CANCELLED = f"{OURS}/cancelled"
"""Annotation: a Note, as JSON."""

RETRIED = f"{OURS}/retried"
"""Annotation of a Job that is another try of one job: how many attempts there had been before."""

ATTEMPT_OF = f"{OURS}/attempt-of"
"""Annotation of such: the Job of the attempts before."""

SUBMITTED = f"{OURS}/submitted"
"""Annotation of such: when the job was handed in, in seconds."""

INDEX = f"{OURS}/index"
"""Annotation of such: which index of that Job it was."""

DECLINED = f"{OURS}/declined"
"""Annotation of a Job that never runs: nothing may be handed in under its key any more."""

TOTAL = f"{OURS}/chunk-count"
"""Annotation: of how many jobs its chunk is, of which it may be a part."""


@dataclass(frozen=True)
class Note:
    """That somebody wanted the end of a job: when, and why. Of one that ran, which attempt that was, and since when."""

    at: float
    text: str = ""
    attempt: int = 0
    started: float | None = None


def note_of(job: Mapping[str, Any]) -> Note | None:
    """What was noted when it was cancelled; None if it was not."""
    text = said(job).get(CANCELLED)
    if text is None:
        return None
    try:
        body = json.loads(text)
        started = body.get("started")
        return Note(
            float(body["at"]),
            str(body.get("note") or ""),
            int(body.get("attempt") or 0),
            None if started is None else float(started),
        )
    except (ValueError, LookupError, TypeError, AttributeError):  # a person has written it
        return Note(0.0)


def note_text(note: Note) -> str:
    """As it is written down."""
    known = {"at": note.at, "note": note.text, "attempt": note.attempt, "started": note.started}
    return json.dumps({key: value for key, value in known.items() if value}, ensure_ascii=False)


def said(one: Mapping[str, Any]) -> Mapping[str, str]:
    """Of any object."""
    return (one.get("metadata") or {}).get("annotations") or {}


def labels(one: Mapping[str, Any]) -> Mapping[str, str]:
    """Of any object."""
    return (one.get("metadata") or {}).get("labels") or {}


def number(notes: Mapping[str, str], name: str, usual: int) -> int:
    """A count among annotations or labels; persons can write there, too."""
    text = notes.get(name, "")
    return int(text) if text.isdecimal() else usual
