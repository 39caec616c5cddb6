"""A manager of simple-job-submit, by Python 2.7 or from a tape, and what a person does with it, the same in both forms.

So a tape that has gone stale is noticed where there is a Python 2.7, and elsewhere the tape stands for it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import pythons

DATA = Path(__file__).resolve().parents[1] / "data" / "python2"
PLAYER = Path(__file__).with_name("player.py")
NAME = "manager-1"

RECORDED, LIVE = "recorded", "python2.7"
DIALECTS = ("old", "new")
BOTH_FORMS = [RECORDED, LIVE]

GATED = 'read line < gate; echo "$line" > first'
ODD = 'echo "it\'s" {é} \\\\ $HOME > second'
LINES = "echo 3 > third\n\n# no job\necho 4 > fourth\n"
FILES = {"second", "third", "fourth", "fi fth", "sixth"}
"""What the jobs write that need not wait for the gate."""

QUEUED = [(1, ODD), (2, "echo 3 > third"), (3, "echo 4 > fourth"), (4, "touch 'fi fth'"), (5, "echo 6 > sixth")]


class Step(NamedTuple):
    """A command, and what it says."""

    words: Sequence[str]
    out: str
    err: str = ""
    code: int = 0


Said = tuple[int, str, str]
"""Exit status, stdout, stderr."""


def tape(dialect: str) -> Path:
    """The recorded exchanges of these steps."""
    return DATA / f"manager-{dialect}.tape"


def insist(form: str) -> str:
    """The Python 2.7, "" where none is needed; skips the test where one is and is not there."""
    found = pythons.python2() if form == LIVE else ""
    if found is None:
        pytest.skip("no Python 2.7 here ($SJS_PYTHON2 may name one); the recorded form runs")
    return found


def command(dialect: str, form: str, heard: Path, python: str) -> list[str]:
    """How to run such a manager with one slot. `heard`: where it writes down its exchanges."""
    if form == RECORDED:
        return [python or sys.executable, "-I", "-S", str(PLAYER), str(tape(dialect))]
    # without a locale Python 2 cannot start a command that has an é in it
    return ["env", "LC_ALL=C.UTF-8", python, str(DATA / "manager.py"), dialect, "1", str(heard)]


def walk(dialect: str, submit: Callable[..., Said]) -> None:
    """Take the steps. The first job waits at a gate, so that none ends on the way."""
    for step in steps(dialect):
        said = submit(*step.words)
        assert said == (step.code, step.out, step.err), f"{step.words} said {said}"


def steps(dialect: str) -> Iterator[Step]:
    """What a person does, with `commands.txt` at hand."""
    refusal = f"[{NAME}] error: seed manager: only job, status and configure\n"
    yield Step([NAME, "status"], status(0))
    yield Step([NAME, "job", "--command", GATED], submitted(0))
    yield Step([NAME, "status"], status(1))
    yield Step([NAME, "job", "--command", ODD], submitted(1))
    yield Step([NAME, "job", "--command-file", "commands.txt"], submitted(2) + submitted(3))
    yield Step([NAME, "job", "--", "touch", "fi fth"], submitted(4))
    yield Step(["any", "job", "-p", "--command", "echo 6 > sixth"], f"{NAME}:5\n")
    yield Step([NAME, "status"], status(1, queue(dialect)))
    yield Step(["all", "check-running"], f"[{NAME}] I am running\n")
    for words in (["list"], ["cancel", "3"], ["stop"], ["logs", "0"]):
        yield Step([NAME, *words], "", refusal, 1)
    running = f"[{NAME}] error: seed manager: it runs already (to have ours in its place, end it first)\n"
    yield Step([NAME, "start", "--max-jobs-running", "9"], "", running, 1)
    yield Step([NAME, "job", "--if-free", "--command", "x"], "", f"[{NAME}] error: no free slot\n", 1)
    unknown = "knows no keys, so it cannot say whether it took these jobs before"
    yield Step([NAME, "job", "--key", "k", "--command", "x"], "", f"[{NAME}] error: seed manager: {unknown}\n", 1)
    configured = (
        '"old_max_jobs_running": 1, "code": 0, "new_max_jobs_running": 2, "message": "configuration successful"'
    )
    yield Step([NAME, "configure", "--max-jobs-running", "2"], f'{{"status": "OK", {configured}}}\n')


def queue(dialect: str) -> str:
    """In the old dialect jobs have no ids, and the next one has left the queue before it runs."""
    jobs = QUEUED if dialect == "new" else [(None, text) for _, text in QUEUED[1:]]
    return json.dumps([{"job": text, "job_id": number} for number, text in jobs])


def status(running: int, queued: str = "[]") -> str:
    """The line of the verb."""
    head = f'"status": "OK", "jobs_running": {running}, "max_jobs_running": 1, "code": 0'
    return f'{{{head}, "jobs_queued": {json.dumps(queued)}}}\n'


def submitted(number: int) -> str:
    """The line of a job."""
    return f'{{"status": "OK", "message": "job submitted successfully", "code": 0, "job_id": {number}}}\n'


def open_gate(root: Path) -> None:
    """Let the first job go on."""
    with os.fdopen(os.open(root / "gate", os.O_WRONLY | os.O_NONBLOCK), "w") as gate:
        gate.write("opened\n")
