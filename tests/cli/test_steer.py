"""The verbs that say what becomes of jobs, what is asked for them, and what they print."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import RECORD, accepted, answers, report
from tests.targets.fake import FakeMachine

CHANGED = {"changed": [[1, 3], [5, 5]], "next": None}


def asked(machine: FakeMachine) -> list[dict[str, Any]]:
    return [{name: value for name, value in one.items() if name != "id"} for one in machine.requests]


@pytest.mark.parametrize(
    ("words", "wanted", "said"),
    [
        ("hold 1-3,5", {"op": "hold", "jobs": [[1, 3], [5, 5]]}, "4 held (1-3,5)"),
        ("hold all", {"op": "hold", "jobs": None}, "4 held (1-3,5)"),
        ("release 1-5", {"op": "release", "jobs": [[1, 5]]}, "4 released (1-3,5)"),
        ("retry 1-5", {"op": "again", "jobs": [[1, 5]]}, "4 waiting again (1-3,5)"),
        ("clean 1-5", {"op": "clean", "jobs": [[1, 5]]}, "4 cleaned away (1-3,5)"),
        ("clean all", {"op": "clean", "jobs": None}, "4 cleaned away (1-3,5)"),
        ("pause 1-5", {"op": "pause", "jobs": [[1, 5]]}, "4 paused (1-3,5)"),
        ("pause", {"op": "pause", "jobs": None}, "all stands still until `resume`; 4 paused (1-3,5)"),
        ("resume 1-5", {"op": "resume", "jobs": [[1, 5]]}, "4 resumed (1-3,5)"),
        ("resume", {"op": "resume", "jobs": None}, "goes on; 4 resumed (1-3,5)"),
    ],
)
def test_jobs_are_changed_and_named(cli: CommandLine, words: str, wanted: dict[str, Any], said: str) -> None:
    machine = cli.play("m", answers(CHANGED))
    verb, *rest = words.split()
    assert cli.submit("m", verb, *rest).out == f"{said}\n"
    assert asked(machine) == [wanted]
    outcome = cli.submit("m", verb, *rest, "--json")
    assert json.loads(outcome.out) == {"target": "m", "changed": [[1, 3], [5, 5]]}


def test_many_are_changed_in_pieces(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"changed": [[0, 999]], "next": 999}, {"changed": [[1000, 1001]], "next": None}))
    assert cli.submit("m", "hold", "all").out == "1002 held (0-1001)\n"
    assert [one.get("after") for one in machine.requests] == [None, 999]


@pytest.mark.parametrize(
    ("verb", "said"), [("hold", "no job to hold"), ("retry", "no job to retry"), ("resume", "no job to resume")]
)
def test_nobody_to_be_changed_is_said(cli: CommandLine, verb: str, said: str) -> None:
    cli.play("m", answers({"changed": [], "next": None}))
    assert cli.submit("m", verb, "7").out == f"{said}\n"


def test_a_whole_manager_without_jobs_is_only_said(cli: CommandLine) -> None:
    cli.play("m", answers({"changed": [], "next": None}))
    assert cli.submit("m", "pause").out == "all stands still until `resume`\n"


def test_all_jobs_are_paused_and_not_the_manager(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"jobs": [RECORD], "next": None}, {"changed": [], "next": None}))
    assert cli.submit("m", "pause", "all").status == 0
    assert machine.requests[-1]["jobs"] == [[0, 5]]


@pytest.mark.parametrize("verb", ["hold", "release", "retry", "clean"])
def test_without_ids_nothing_is_changed(cli: CommandLine, verb: str) -> None:
    cli.play("m", answers())
    outcome = cli.submit("m", verb)
    assert (outcome.status, "which jobs?" in outcome.err) == (2, True)


def test_what_failed_is_run_again(cli: CommandLine) -> None:
    failed = [{**RECORD, "id": number} for number in (3, 4, 9)]
    machine = cli.play("m", answers({"jobs": failed, "next": None}, {"changed": [[3, 4], [9, 9]], "next": None}))
    assert cli.submit("m", "retry", "--failed").out == "3 waiting again (3-4,9)\n"
    listed, again = asked(machine)
    assert (listed["states"], "jobs" in listed) == (["failed", "timeout", "lost"], False)
    assert again == {"op": "again", "jobs": [[3, 4], [9, 9]]}


@pytest.mark.parametrize(
    ("verb", "on", "word"), [("drain", True, "nothing new starts"), ("undrain", False, "start again")]
)
def test_a_queue_is_drained_and_undrained(cli: CommandLine, verb: str, on: bool, word: str) -> None:
    machine = cli.play("m", answers({"drained": on}))
    assert word in cli.submit("m", verb).out
    assert asked(machine) == [{"op": verb}]
    assert json.loads(cli.submit("m", verb, "--json").out) == {"target": "m", "drained": on}


@pytest.mark.parametrize("why", ["drained", "paused"])
def test_any_passes_over_who_starts_nothing(cli: CommandLine, why: str) -> None:
    cli.play("m1", answers(report(maximum=9, **{why: True})))
    cli.play("m2", answers(report(running=1, queued=5, maximum=1), accepted()))
    assert cli.submit("any", "job", "--command", "x", "-p").out == "m2:0\n"


def test_status_says_that_nothing_starts_and_why(cli: CommandLine) -> None:
    cli.play("m", answers(report(drained=True, paused=True)))
    assert cli.submit("m", "status").err == "nothing starts until `undrain`\nnothing starts until `resume`\n"
    found = json.loads(cli.submit("m", "status", "--json").out)
    assert (found["drained"], found["paused"]) == (True, True)


def test_a_signal_is_sent_and_ends_nothing(cli: CommandLine) -> None:
    reply = {"signalled": [[7, 7]], "cancelled": [], "stopping": [], "ended": [], "next": None}
    machine = cli.play("m", answers(reply))
    assert cli.submit("m", "cancel", "7", "--signal", "USR1").out == "1 signalled (7)\n"
    assert asked(machine) == [{"op": "cancel", "jobs": [[7, 7]], "signal": 10}]
    assert cli.submit("m", "cancel", "7", "--signal", "USR1", "--grace", "3").status == 2
    assert cli.submit("m", "cancel", "7", "--signal", "USR1", "--note", "why").status == 2
    assert cli.submit("m", "cancel", "7", "--signal", "NOPE").status == 2


def test_a_grace_is_a_duration_or_none(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"cancelled": [], "stopping": [], "ended": [], "next": None}))
    for text in ("0", "1m", "2.5"):
        assert cli.submit("m", "cancel", "7", "--grace", text).status == 0
    assert [one["grace"] for one in machine.requests] == [0.0, 60.0, 2.5]


def test_ids_may_name_their_targets(cli: CommandLine) -> None:
    first, second, third = (cli.play(name, answers(CHANGED)) for name in ("m1", "m2", "m3"))
    outcome = cli.submit("all", "hold", "m1:1,2", "m3:5-7")
    assert outcome.out.splitlines() == ["[m1] 4 held (1-3,5)", "[m3] 4 held (1-3,5)"]
    assert (asked(first)[0]["jobs"], asked(third)[0]["jobs"]) == ([[1, 2]], [[5, 7]])
    assert not (second.folder / "headers").exists()


def test_a_job_may_be_named_with_its_target(cli: CommandLine) -> None:
    cli.play("m1", "sys.exit(1)")
    cli.play("m2", answers({"why": ["it waits for job 3"]}))
    assert cli.submit("all", "why", "m2:7").out == "it waits for job 3\n"
    for words in (("all", "why", "7"), ("m1", "why", "m2:7"), ("all", "why", "m1:7,m2:7"), ("all", "why", "m9:7")):
        assert cli.submit(*words).status == 2


MEMBERS = {"jobs": [[1, 2], [5, 5]], "settings": ["a", "b", "c"], "next": None}


def test_a_sweep_is_changed_by_its_name_wherever_it_has_jobs(cli: CommandLine) -> None:
    here = cli.play("m", answers(MEMBERS, {"changed": [[1, 2]], "next": None}))
    elsewhere = cli.play("n", answers({"jobs": [], "settings": [], "next": None}))
    outcome = cli.submit("all", "hold", "lr")
    assert (outcome.status, outcome.out, outcome.err) == (0, "[m] 2 held (1-2)\n", "")
    assert [one["op"] for one in asked(elsewhere)] == ["members"]
    assert asked(here)[-1] == {"op": "hold", "jobs": [[1, 2], [5, 5]]}


def test_a_sweep_that_nobody_knows_is_an_error_of_each(cli: CommandLine) -> None:
    for name in ("m", "n"):
        cli.play(name, answers({"jobs": [], "settings": [], "next": None}))
    outcome = cli.submit("all", "cancel", "lr")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.count("error: no job of a sweep 'lr'") == 2


def test_more_ranges_than_a_request_may_hold_are_several_requests(cli: CommandLine) -> None:
    many = [[2 * number, 2 * number] for number in range(1_500)]
    members = {"jobs": many, "settings": ["a"] * len(many), "next": None}
    done = [{"changed": many[:1_000], "next": None}, {"changed": many[1_000:], "next": None}]
    machine = cli.play("m", answers(members, *done))
    assert cli.submit("m", "release", "lr").out.startswith("1500 released (0,2,")
    assert [len(one["jobs"]) for one in asked(machine)[1:]] == [1_000, 500]
