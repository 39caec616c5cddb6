"""--dry-run: nothing but reports is asked for."""

from __future__ import annotations

import json

import pytest

from sjs.cli.rehearsal import reason
from sjs.core.job import Report
from sjs.core.needs import Needs
from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import GONE, answers, report


def test_any_says_who_would_get_what_and_why(cli: CommandLine) -> None:
    one = cli.play("m1", answers(report(running=1, maximum=2)))
    two = cli.play("m2", answers(report(running=0, maximum=2)))
    (cli.folder / "jobs").write_text("x\n" * 3)
    outcome = cli.submit("any", "job", "--command-file", "jobs", "--dry-run")
    assert sorted(outcome.out.splitlines()) in (
        [
            "[m1] job 0 of these: it could start at once; 1 of 2 slots are taken, 0 wait",
            "[m2] jobs 1-2 of these: all could start at once; 0 of 2 slots are taken, 0 wait",
        ],
        [
            "[m1] job 2 of these: it could start at once; 1 of 2 slots are taken, 0 wait",
            "[m2] jobs 0-1 of these: all could start at once; 0 of 2 slots are taken, 0 wait",
        ],
    )
    assert [asked["op"] for machine in (one, two) for asked in machine.requests] == ["report", "report"]
    assert not (cli.folder / ".local").exists()


def test_who_is_named_says_what_would_wait(cli: CommandLine) -> None:
    machine = cli.play("m", answers(report(running=1, maximum=2, queued=0)))
    words = ("job", "--command", "x", "--command", "y", "--dry-run")
    said = "1 could start at once, the others would wait; 1 of 2 slots are taken, 0 wait"
    assert cli.submit("m", *words).out == f"jobs 0-1 of these: {said}\n"
    assert json.loads(cli.submit("m", *words, "--json").out) == {"target": "m", "jobs": [0, 1], "why": said}
    assert {asked["op"] for asked in machine.requests} == {"report"}


def test_nobody_is_started_for_a_rehearsal(cli: CommandLine) -> None:
    machine = cli.play("m", GONE)
    assert cli.submit("m", "job", "--command", "x", "--dry-run").status == 255
    assert cli.submit("any", "job", "--command", "x", "--dry-run").status == 255
    headers = (machine.folder / "headers").read_bytes().splitlines()
    assert [line.split(b"\0")[-1] for line in headers] == [b"-", b"-"]


def test_what_nobody_could_hold_is_refused(cli: CommandLine) -> None:
    cli.play("m", answers(report()))
    for target in ("m", "any"):
        assert cli.submit(target, "job", "-G", "2", "--command", "x", "--dry-run").status == 1


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Report("m", 0, 2, 0, drained=True), "nothing starts there now; 0 of 2 slots are taken, 0 wait"),
        (Report("m", 2, 2, 3), "would wait; 2 of 2 slots are taken, 3 wait"),
    ],
)
def test_why_a_job_would_wait(found: Report, why: str) -> None:
    assert reason(found, 1, Needs()) == why
