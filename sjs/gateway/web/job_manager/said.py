"""What a client says: which path, which jobix, which jobs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from sjs.gateway.records.stages.values import MOST_STAGES
from sjs.gateway.web.job_manager.words import Unfit
from sjs.values import dataclass

MOST_NAME = 4_096
"""Letters of a file's name, as paths have them."""

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_JOBIX = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True)
class Job:
    """One that is to be done, and the stage at which it begins."""

    number: int
    stage: int
    command: Any


@dataclass(frozen=True)
class Changes:
    """Of a job. None: it stays."""

    file: str | None = None
    command: Any = None


def path(text: str) -> tuple[str, Sequence[int]] | None:
    """The first word of a path, and the numbers behind it; None where there are none such."""
    name, *rest = text.removeprefix("/").split("/")
    if not all(_NUMBER.fullmatch(one) for one in rest):
        return None
    return name, [int(one) for one in rest]


def jobix(values: Sequence[bytes]) -> int:
    """Whose jobs are meant: a number that all who work on the same ones share."""
    text = values[0].decode("latin-1").strip(" \t") if len(values) == 1 else ""
    if not _JOBIX.fullmatch(text):
        raise Unfit(403, "A header jobix with a whole number is needed.")
    return int(text)


def jobs(document: Mapping[str, Any]) -> Sequence[Job]:
    """Those of /set, by their numbers, each once."""
    found: dict[int, Job] = {}
    for key, value in document.items():
        if not _NUMBER.fullmatch(key):
            raise Unfit(400, f"{key!r:.80} is no number of a job.")
        stage = value.get("jobstage") if isinstance(value, dict) else None
        if not _is_whole(stage) or not 0 <= stage < MOST_STAGES:
            raise Unfit(400, f"Job {key}: its jobstage is no stage.")
        found.setdefault(int(key), Job(int(key), stage, value.get("jobcmd")))
    return list(found.values())


def changes(document: Mapping[str, Any]) -> Changes:
    """What /update_job is to store. What is null is not said."""
    file = document.get("filename")
    if file is not None and not _is_name(file):
        raise Unfit(400, f"filename is a text of {MOST_NAME} letters at most.")
    return Changes(file, document.get("jobcmd"))


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_name(value: Any) -> bool:
    """Whether every database takes it: NUL and halves of letters, which JSON can say, are in no name."""
    return isinstance(value, str) and len(value) <= MOST_NAME and not re.search("[\0\ud800-\udfff]", value)
