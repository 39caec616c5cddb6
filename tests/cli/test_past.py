"""The verbs that tell of jobs: list with its filters, history, details, why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sjs.cli.commands.history import joblog_line, row
from sjs.core.job import End, Job, Spec
from sjs.core.lifecycle import FINAL
from tests.cli.conftest import CommandLine
from tests.cli.test_steer import asked
from tests.cli.test_verbs import RECORD, answers


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("--name lr-*", {"name": "lr-*"}),
        ("--tag a=b=c", {"tag": ["a", "b=c"]}),
        ("--since @1000", {"since": 1000.0}),
        ("--state failed --name x", {"states": ["failed"], "name": "x"}),
    ],
)
def test_jobs_are_chosen_by_what_was_said_of_them(cli: CommandLine, words: str, wanted: dict[str, Any]) -> None:
    machine = cli.play("m", answers({"jobs": [RECORD], "next": None}))
    usual = {"op": "list", "limit": 1000, "newest": False}
    assert len(cli.submit("m", "list", *words.split()).out.splitlines()) == 2
    assert cli.submit("m", "history", *words.split(), "--json").status == 0
    final = {"states": [*FINAL]}
    assert asked(machine) == [{**usual, **wanted}, {**usual, **final, **wanted}]


def test_what_is_rare_is_looked_for_from_the_end(cli: CommandLine) -> None:
    def found(*numbers: int) -> list[dict[str, Any]]:
        return [{**RECORD, "id": number} for number in numbers]

    machine = cli.play(
        "m", answers({"jobs": found(8, 9), "next": 7}, {"jobs": found(3), "next": None}, {"jobs": []}, {"jobs": []})
    )
    lines = cli.submit("m", "list").out.splitlines()[1:]
    assert [int(line.split()[0]) for line in lines] == [3, 8, 9]
    assert [(one["limit"], one.get("before")) for one in asked(machine)][:2] == [(20, None), (18, 7)]


PAGE = {"jobs": [RECORD], "next": None}
STOPPED = {"error": {"code": "stopped", "message": "stopped"}}


def test_a_list_is_shown_after_each_change_until_the_manager_is_gone(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"version": "1"}, PAGE, {"version": "1"}, {"version": "2"}, PAGE, STOPPED))
    outcome = cli.submit("m", "list", "--name", "x", "-w")
    assert (outcome.status, outcome.out.count("COMMAND"), machine.sessions) == (255, 2, 1)
    assert outcome.err == "[m] error: stopped\n"
    asked = [(one["op"], one.get("since")) for one in machine.requests]
    assert asked == [
        ("changes", ""),
        ("list", None),
        ("changes", "1"),
        ("changes", "1"),
        ("list", None),
        ("changes", "2"),
    ]


def test_several_are_watched_for_as_long_as_one_of_them_is_there(cli: CommandLine) -> None:
    cli.play("m1", answers({"version": "1"}, PAGE, STOPPED))
    cli.play("m2", answers(STOPPED))
    outcome = cli.submit("all", "list", "--name", "x", "-w", "--json")
    assert outcome.status == 255
    assert {json.loads(line)["target"] for line in outcome.out.splitlines()} == {"m1", "m2"}
    assert outcome.err.splitlines()[-1] == "ok 0, failed 0, unreachable 2: m1, m2"


def ended(**more: Any) -> Job:
    spec = more.pop("spec", Spec(command="echo 1"))
    given = {"end": End("exit", exit=0), "started": 1_376_577_364.974, "ended": 1_376_577_364.982, **more}
    return Job(id=3, spec=spec, state="succeeded", submitted=1.0, attempt=1, **given)


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (ended(), "3\tgpu1\t1376577364.974\t     0.008\t0\t0\t0\t0\techo 1\n"),
        (ended(end=End("exit", exit=3)), "3\tgpu1\t1376577364.974\t     0.008\t0\t0\t3\t0\techo 1\n"),
        (ended(end=End("signal", signal=9)), "3\tgpu1\t1376577364.974\t     0.008\t0\t0\t0\t9\techo 1\n"),
        (ended(end=End("host-lost")), "3\tgpu1\t1376577364.974\t     0.008\t0\t0\t-1\t0\techo 1\n"),
        (ended(spec=Spec(argv=("a", "b\nc"))), "3\tgpu1\t1376577364.974\t     0.008\t0\t0\t0\t0\ta 'b\0c'\n"),
    ],
)
def test_a_joblog_is_that_of_gnu_parallel(job: Job, line: str) -> None:
    assert joblog_line("gpu1", job, job.started or 0, job.ended or 0) == line


def test_a_joblog_has_one_head_and_who_never_ran_is_not_in_it(cli: CommandLine) -> None:
    never = {**RECORD, "id": 6, "state": "cancelled", "started": None}
    for name in ("m1", "m2"):
        cli.play(name, answers({"jobs": [RECORD, never], "next": None}))
    lines = cli.submit("all", "history", "--format", "joblog").out.splitlines()
    assert lines[0] == "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
    assert [line.split("\t")[:2] for line in lines[1:]] == [["5", "m1"], ["5", "m2"]]


def test_history_says_what_it_took() -> None:
    job = ended(
        started=0.0,
        ended=65.0,
        usage={"user": 60.0, "system": 3.0, "max_rss_kb": 2048, "tree_rss_kb": 3072},
        gpus=(("0", 1000), ("1", 500)),
    )
    words = row(job).split()
    assert (words[:4], words[-6:]) == (["3", "succeeded", "0", "1"], ["1:05", "1:03", "3M", "0,1:0.5", "echo", "1"])
    assert row(ended(started=None, ended=None)).split()[4:8] == ["-"] * 4


def test_details_say_what_it_was_told_as_it_is_typed(cli: CommandLine) -> None:
    told = {
        "name": "train",
        "tags": {"a": "1"},
        "env": {"A": "1"},
        "mem": 1 << 30,
        "gpus": 500,
        "timeout": 5400,
        "at": 0,
        "hold": True,
        "retry": {"count": 2, "delay": 10, "factor": 2, "on": ["fail"]},
        "after": [["ok", [[1, 3], [5, 5]]], ["any", [[2, 2]]]],
        "cwd": "/data",
    }
    attempt = {"attempt": 1, "started": 2.0, "ended": 3.0, "exit": 1, "reason": "exit"}
    place = {"id": "4_2", "node": "h1", "partition": "p"}
    lost = {"attempt": 2, "started": None, "ended": 3.0, "exit": None, "reason": "host-lost", "slurm": {"id": "3_0"}}
    body = {"job": {**RECORD, **told, "slurm": place}, "attempts": [attempt, lost], "parents": [], "children": [7, 8]}
    cli.play("m", answers(body))
    lines = dict(line.split(":", 1) for line in cli.submit("m", "details", "5").out.splitlines())
    found = {label: value.strip() for label, value in lines.items()}
    assert {label: found[label] for label in ("job", "state", "mem", "gpus", "timeout", "hold", "retry", "after")} == {
        "job": "5 train",
        "state": "failed: exit status 3",
        "mem": "1G",
        "gpus": "0.5",
        "timeout": "1h30m",
        "hold": "yes",
        "retry": "2 times on fail, after 10s (x2)",
        "after": "afterok:1-3:5,afterany:2",
    }
    assert found["attempt 1"].startswith("exit 1, ")
    assert found["attempt 2"].startswith("host-lost, ")
    assert found["attempt 2"].endswith(", Slurm's job 3_0")
    assert found["slurm"] == "job 4_2 on h1, partition p"
    assert (found["waited for by"], found["command"], found["ran for"]) == ("7-8", "echo \\x1b[2J", "1:05")
    found = json.loads(cli.submit("m", "details", "5", "--json").out)
    assert (found["id"], found["children"], found["attempts"]) == (5, [7, 8], [attempt, lost])


def test_why_is_said_in_words_that_are_safe(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"why": ["a", "b\x1b"]}))
    assert cli.submit("m", "why", "5").out == "a\nb\\x1b\n"
    assert json.loads(cli.submit("m", "why", "5", "--json").out)["why"] == ["a", "b\x1b"]
    assert asked(machine)[0] == {"op": "why", "job": 5}
