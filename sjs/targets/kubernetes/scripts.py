"""What the pods of an Indexed Job run: a script finds by the index of its pod what that is to become.

All commands in one file would have each pod read all of them; a file for each would be as many files in each pod. So
there are blocks of commands, each a file, and a short script that takes the right one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sjs.core.job import Spec
from sjs.errors import BadRequest

FOLDER = "/sjs"
"""Where they lie in the container."""

START = "start"

FAILURES = "SJS_FAILURES"
"""The variable by which a pod is told how often its index has failed before."""

MAX_BYTES = 900_000
"""Of one ConfigMap: it may have a MiB, and is more than its data."""

_BLOCKS = (64, 16, 4, 1)

_START = """\
export SJS_JOB_ID=$(($1 + JOB_COMPLETION_INDEX)) SJS_ATTEMPT=$((${SJS_FAILURES:-0} + 1))
unset SJS_FAILURES
. /sjs/$((JOB_COMPLETION_INDEX / %d))
"""


def argv(first: int) -> list[str]:
    """What the container runs; `first`: the id of the job with the index 0."""
    return ["/bin/sh", f"{FOLDER}/{START}", str(first)]


def files(specs: Sequence[Spec], own: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """All files by their names; `own`: the variables of each."""
    for size in _BLOCKS:
        blocks = [range(start, min(start + size, len(specs))) for start in range(0, len(specs), size)]
        texts = {str(number): _block(block, specs, own) for number, block in enumerate(blocks)}
        too_large = [name for name, text in texts.items() if len(text.encode()) > MAX_BYTES]
        if not too_large:
            return {START: _START % size, **texts}
    raise BadRequest(
        f"a command of more than {MAX_BYTES} bytes, which no ConfigMap can hold", "put it into a file of the image"
    )


def _block(block: range, specs: Sequence[Spec], own: Sequence[Mapping[str, str]]) -> str:
    lines = (f"{index}) {_becoming(specs[index], own[index])};;" for index in block)
    return "\n".join(("case $JOB_COMPLETION_INDEX in", *lines, "esac", ""))


def _becoming(spec: Spec, own: Mapping[str, str]) -> str:
    exports = [f"export {name}={quoted(value)}" for name, value in own.items()]
    return "; ".join((*exports, "exec " + " ".join(map(quoted, spec.program))))


def quoted(text: str) -> str:
    """The text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
