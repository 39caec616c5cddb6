"""What `job` is told of its jobs, and what the queue hears of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sjs.cli.commands.job import job
from sjs.cli.options import changed, on_line
from sjs.core.job import Retry, Spec
from sjs.core.needs import Needs
from sjs.errors import UsageError
from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import GONE, RECORD, accepted, answers, report
from tests.targets.fake import FakeMachine


def sent(machine: FakeMachine) -> list[dict[str, Any]]:
    return [spec for asked in machine.requests if asked["op"] == "submit" for spec in asked["jobs"]]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("-n train", {"name": "train"}),
        ("--tag a=1 --tag b=x=y", {"tags": {"a": "1", "b": "x=y"}}),
        ("--cwd /data", {"cwd": "/data"}),
        ("--env A=1 --env B=", {"env": {"A": "1", "B": ""}}),
        ("--priority -5", {"priority": -5}),
        ("-j 2", {"slots": 2}),
        ("-d 3", {"after": [["ok", [[3, 3]]]]}),
        ("-d afterok:3:4 --after afterany:1-2", {"after": [["ok", [[3, 3], [4, 4]]], ["any", [[1, 2]]]]}),
        ("--at @1800000000", {"at": 1_800_000_000.0}),
        ("--hold", {"hold": True}),
        ("--retries 3", {"retry": {"count": 3, "delay": 0.0, "factor": 1.0, "on": ["fail", "timeout", "oom"]}}),
        (
            "--retries 2 --backoff 10s:2x --retry-on lost,exit:75",
            {"retry": {"count": 2, "delay": 10.0, "factor": 2.0, "on": ["lost", "exit:75"]}},
        ),
        ("--on-lost requeue", {"on_lost": "requeue"}),
        ("-c 4 --mem 4G", {"cpus": 4, "mem": 4 << 30}),
        ("-G 0.5 --gpu-mem 6G", {"gpus": 500, "gpu_mem": 6 << 30}),
        ("-G 2", {"gpus": 2000}),
        ("--resource licence=2 --resource disk=1", {"resources": {"disk": 1, "licence": 2}}),
        ("-t 1h30m --grace 5", {"timeout": 5400.0, "grace": 5.0}),
        ("--stdin in.txt --nice 5", {"stdin": "in.txt", "nice": 5}),
        ("--merge-output", {"merge": True}),
    ],
)
def test_an_option_reaches_the_queue_from_the_command_and_from_a_line(
    cli: CommandLine, words: str, wanted: dict[str, Any]
) -> None:
    machine = cli.play("m", answers(accepted()))
    (cli.folder / "jobs").write_text(f"make  #SJS {words}\n")
    assert cli.submit("m", "job", *words.split(), "--command", "make").status == 0
    assert cli.submit("m", "job", "--command-file", "jobs").status == 0
    assert sent(machine) == [{"command": "make", **wanted}, {"command": "make ", **wanted}]


def test_in_is_a_time_of_the_clock(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.cli.kinds.time.time", lambda: 1_000.0)
    machine = cli.play("m", answers(accepted()))
    cli.submit("m", "job", "--in", "2h", "--command", "make")
    assert sent(machine) == [{"command": "make", "at": 8_200.0}]


def test_a_line_goes_on_from_what_all_are_told(cli: CommandLine) -> None:
    machine = cli.play("m", answers(accepted(count=3)))
    (cli.folder / "jobs").write_text(
        "plain\nsharp #SJS-like words\nown #SJS --env B=2 --retry-on exit:1 -n own --tag 'k=a b'\n"
    )
    words = ("--env", "A=1", "--env", "B=1", "--retries", "2", "-n", "all")
    assert cli.submit("m", "job", *words, "--command-file", "jobs").status == 0
    usual = {"env": {"A": "1", "B": "1"}, "name": "all"}
    retry = {"count": 2, "delay": 0.0, "factor": 1.0, "on": ["fail", "timeout", "oom"]}
    assert sent(machine) == [
        {"command": "plain", "retry": retry, **usual},
        {"command": "sharp #SJS-like words", "retry": retry, **usual},
        {
            "command": "own",
            "name": "own",
            "tags": {"k": "a b"},
            "env": {"A": "1", "B": "2"},
            "retry": {**retry, "on": ["exit:1"]},
        },
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--at 14:30 --in 2h", "--at and --in (give one of them)"),
        ("--backoff 10s", "--backoff and --retry-on are for --retries"),
        ("--env 1=2", "'1' can not be set"),
        ("--env SJS_X=2", "'SJS_X' can not be set"),
        ("--env A", "'A' is not NAME=VALUE"),
        ("-j 0", "Invalid value for '-j'"),
        ("--retry-on sometimes", "'sometimes' is no end"),
        ("--resource licence", "'licence' is not NAME=VALUE"),
        ("--resource licence=x", "'x' is no number of licence"),
        ("-G 1.5", "can not be given"),
        ("-t soon", "'soon' is no duration"),
        ("-d after:3", "'after:3' is no condition"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(cli: CommandLine, words: str, why: str) -> None:
    machine = cli.play("m", answers(accepted()))
    (cli.folder / "jobs").write_text(f"\nmake #SJS {words}\n")
    told = cli.submit("m", "job", *words.split(), "--command", "make")
    line = cli.submit("m", "job", "--command-file", "jobs")
    assert (told.status, line.status) == (2, 2)
    assert why in told.err
    assert f"submit: jobs:2: {'' if 'SJS_X' in why or ' and ' in why or '1' in why else '#SJS: '}" in line.err
    assert why in line.err
    assert not (machine.folder / "headers").exists()


@pytest.mark.parametrize(
    ("line", "why"), [("make #SJS --nope", "No such option"), ("make #SJS x", "unexpected"), ("a #SJS '", "quotation")]
)
def test_what_no_line_can_say_is_named_with_its_line(cli: CommandLine, line: str, why: str) -> None:
    cli.play("m", answers(accepted()))
    (cli.folder / "jobs").write_text(line)
    outcome = cli.submit("m", "job", "--command-file", "jobs")
    assert (outcome.status, outcome.err.startswith("submit: jobs:1: #SJS"), why in outcome.err) == (2, True, True)


@pytest.mark.parametrize("target", ["any", "all", "m,m2"])
def test_who_waits_for_others_goes_where_they_are(cli: CommandLine, target: str) -> None:
    cli.play("m", answers(report()))
    cli.play("m2", answers(report()))
    (cli.folder / "jobs").write_text("make #SJS -d 3")
    for words in (("-d", "3", "--command", "x"), ("--command-file", "jobs")):
        outcome = cli.submit(target, "job", *words)
        assert outcome.status == 2
        assert "--after is for one target that is named" in outcome.err


def test_the_environment_is_sent_once_and_by_its_digest(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = cli.play("m", "hello()\nfor number in range(6): take(number * 1000)\nhear()")
    monkeypatch.setenv("FOR_JOBS", "1")
    (cli.folder / "env").write_text("MORE=2\n")
    (cli.folder / "jobs").write_text("x\n" * 5_001)
    words = ("--capture-env", "FOR_*", "--env-file", "env", "--command-file", "jobs", "-p")
    assert cli.submit("m", "job", *words).status == 0
    (body,) = {str(asked["envs"]) for asked in machine.requests if "envs" in asked}
    assert "FOR_JOBS" in body
    assert "MORE" in body
    assert ["envs" in asked for asked in machine.requests] == [True] * 4 + [False] * 2  # as long as none was taken
    assert {spec["env_base"] for spec in sent(machine)} == set(machine.requests[0]["envs"])


def test_the_environment_goes_with_any_and_is_kept_until_it_is_taken(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)
    monkeypatch.setattr("sjs.cli.leftover.REST", 0)
    monkeypatch.setenv("FOR_JOBS", "1")
    cli.play(
        "m", "hello()\nsay(id=hear()['id'], running=0, max=2, queued=0, head=[], counts={})\nhear()", "sys.exit(1)"
    )
    cli.play("other", answers(report()))
    words = ("job", "--capture-env", "FOR_*", "--command", "x")
    assert cli.submit("any:m", *words).status == 255
    machine = cli.play("m", "hello()\ntake(7)\nhear()")
    (machine.folder / "requests").unlink()
    (machine.folder / "001.scene").unlink()
    assert "m has taken 7" in cli.submit("other", "status").err
    (asked,) = (asked for asked in machine.requests if asked["op"] == "submit")
    assert list(asked["envs"].values()) == [{"FOR_JOBS": "1"}]
    assert list(asked["envs"]) == [asked["jobs"][0]["env_base"]]


def test_the_way_on_names_the_time_that_was_meant(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)
    monkeypatch.setattr("sjs.cli.kinds.time.time", lambda: 1_000.0)
    cli.play("m", "hello()\nhear()")
    for words in (("--in", "2h"), ("--in=2h",)):
        outcome = cli.submit("m", "job", *words, "--", "echo", "--in", "x")
        assert outcome.err.endswith(" --at @8200.0 -- echo --in x)\n")
    assert "say --at" in cli.submit("m", "job", "--key", "k", "--in", "2h", "--command", "x").err


def test_nothing_said_changes_nothing() -> None:
    base = Spec(name="x", needs=Needs(slots=2), retry=Retry(3), tags=(("a", "1"),), after=(("ok", ((1, 1),)),))
    assert on_line(base, "") == base
    with pytest.raises(UsageError, match="printable"):
        changed(base, {"name": "a\nb"})


def test_each_option_is_in_the_help(cli: CommandLine, tmp_path: Path) -> None:
    text = cli.submit("job", "--help").out
    for option in job.params:
        for name in option.opts:
            if name.startswith("--"):
                assert re.search(rf"(?<![\w-]){name}(?![\w-])", text), name


def test_last_is_the_newest_job_that_there_is(cli: CommandLine) -> None:
    machine = cli.play("m", answers({"jobs": [{**RECORD, "id": 7}], "next": None}, accepted(8, 2)))
    outcome = cli.submit("m", "job", "-d", "afterok:last:3", "--command", "a", "--command", "b")
    assert outcome.status == 0
    assert [one["after"] for one in machine.requests[1]["jobs"]] == [[["ok", [[7, 7], [3, 3]]]]] * 2


@pytest.mark.parametrize("typed", ["-d last", "-dafterany:last", "--after last", "--after=afterok:1:last"])
def test_last_has_become_a_number_in_the_way_on(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)
    newest = {"jobs": [{**RECORD, "id": 7}], "next": None}
    cli.play("m", f"hello()\nsay(id=hear()['id'], **{newest!r})\nhear()", GONE)
    outcome = cli.submit("m", "job", *typed.split(), "--command", "echo last")
    assert outcome.err.rstrip(")\n").endswith(f"{typed.replace('last', '7')} --command 'echo last'")


def test_last_changes_and_a_key_does_not(cli: CommandLine) -> None:
    outcome = cli.submit("local", "job", "--key", "k", "-d", "last", "--command", "x")
    assert (outcome.status, "name the id" in outcome.err) == (2, True)
    (cli.folder / "jobs").write_text("x #SJS -d last\n")
    outcome = cli.submit("local", "job", "--command-file", "jobs")
    assert (outcome.status, outcome.err) == (
        2,
        "submit: jobs:1: #SJS: `last` is for the whole command (give its --after, or name the id here)\n",
    )


def test_where_there_is_no_job_none_is_the_last(cli: CommandLine) -> None:
    cli.play("m", answers({"jobs": [], "next": None}))
    outcome = cli.submit("m", "job", "-d", "last", "--command", "x")
    assert (outcome.status, outcome.err) == (1, "[m] error: no job has been handed in yet\n")


def test_what_is_said_to_slurm_reaches_its_queue_from_the_command_from_a_line_and_from_the_entry(
    cli: CommandLine,
) -> None:
    machine = cli.play("c", answers(accepted(count=2)), entry="type: slurm, partition: main, options: --exclusive")
    (cli.folder / "jobs").write_text("a\nb  #SJS --partition short --slurm -Lmatlab\n")
    words = ("--account", "lab", "--qos", "low", "--slurm", "--constraint=big")
    assert cli.submit("c", "job", *words, "--command-file", "jobs").status == 0
    usual = {"account": "lab", "qos": "low", "partition": "main", "options": ["--exclusive", "--constraint=big"]}
    own = {**usual, "partition": "short", "options": [*usual["options"], "-Lmatlab"]}
    assert [one["native"] for one in sent(machine)] == [{"slurm": usual}, {"slurm": own}]


def test_what_is_said_to_slurm_is_refused_where_there_is_none(cli: CommandLine) -> None:
    machine = cli.play("m", answers(accepted()))
    (cli.folder / "jobs").write_text("a #SJS --slurm -Lmatlab\n")
    told = [
        cli.submit("m", "job", "--partition", "main", "--command", "make"),
        cli.submit("m", "job", "--command-file", "jobs"),
        cli.submit("m", "sweep", "-p", "n", "1", "--qos", "low", "--", "echo", "{n}"),
    ]
    assert [(one.status, one.err.count("\n")) for one in told] == [(2, 1)] * 3
    typed = ("--partition", "jobs:1: --slurm", "--qos")
    for option, one in zip(typed, told, strict=True):
        assert f"{option} is for slurm targets; m is none" in one.err
    assert not (machine.folder / "headers").exists()
    assert "'--hold' is not for you to say" in cli.submit("m", "job", "--slurm", "--hold", "--command", "x").err
