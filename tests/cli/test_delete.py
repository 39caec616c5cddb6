"""Jobs by their names, and removing all that is left of jobs."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_steer import asked
from tests.cli.test_verbs import RECORD, answers

NAMED = {"jobs": [{**RECORD, "id": 5, "name": "lr"}, {**RECORD, "id": 7, "name": "lr"}], "next": None}
NONE: dict[str, object] = {"jobs": [], "next": None}
CANCELLED = {"cancelled": [], "stopping": [[7, 7]], "ended": [[5, 5]], "next": None}
DETAILS = {"job": {**RECORD, "id": 7}, "attempts": [], "children": []}
CLEANED = {"changed": [[5, 5], [7, 7]], "next": None}


def test_of_several_of_one_name_the_newest_is_meant(cli: CommandLine) -> None:
    machine = cli.play("m", answers(NAMED, DETAILS))
    outcome = cli.submit("m", "details", "-j", "lr", "--json")
    assert (outcome.status, json.loads(outcome.out)["id"]) == (0, 7)
    assert [one.get("name", one.get("job")) for one in asked(machine)] == ["lr", 7]


def test_all_of_one_name_are_meant(cli: CommandLine) -> None:
    machine = cli.play("m", answers(NAMED, {**CANCELLED, "stopping": [[7, 7]]}))
    assert cli.submit("m", "cancel", "-j", "lr").status == 0
    assert asked(machine)[1]["jobs"] == [[5, 5], [7, 7]]


@pytest.mark.parametrize(
    "words", ["details -j lr", "logs -j lr", "why -j lr", "wait -j lr", "cancel -j lr", "delete -j lr"]
)
def test_a_name_that_no_job_has(cli: CommandLine, words: str) -> None:
    cli.play("m", answers(NONE))
    outcome = cli.submit("m", *words.split())
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == "[m] error: no job is called 'lr'\n"


@pytest.mark.parametrize(
    "words", ["details", "details 5 -j lr", "logs", "delete", "delete 5 --all", "delete -j x --all"]
)
def test_it_must_be_clear_who_is_meant(cli: CommandLine, words: str) -> None:
    cli.play("m", answers())
    outcome = cli.submit("m", *words.split())
    assert outcome.status == 2 and "which job" in outcome.err


def test_jobs_are_ended_before_what_is_left_of_them_goes(cli: CommandLine) -> None:
    machine = cli.play("m", answers(CANCELLED, {"done": True, "counts": {"cancelled": 1}}, CLEANED))
    assert cli.submit("m", "delete", "5,7").out == "2 deleted (5,7)\n"
    assert [one["op"] for one in asked(machine)] == ["cancel", "wait", "clean"]
    assert [one["jobs"] for one in asked(machine)] == [[[5, 5], [7, 7]], [[7, 7]], [[5, 5], [7, 7]]]


def test_all_of_them(cli: CommandLine) -> None:
    machine = cli.play("m", answers({**CANCELLED, "stopping": []}, {"changed": [], "next": None}))
    assert cli.submit("m", "delete", "--all").out == "no job to delete\n"
    assert [(one["op"], one["jobs"]) for one in asked(machine)] == [("cancel", None), ("clean", None)]
    cli.play("m", answers({**CANCELLED, "stopping": []}, CLEANED))
    assert json.loads(cli.submit("m", "delete", "--all", "--json").out)["deleted"] == [[5, 5], [7, 7]]
