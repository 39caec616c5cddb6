"""The verbs, of targets that have no machine of their own: those of a kind that somebody else's package brings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sjs import Executor, connect
from sjs.cli.machines import INSTEAD
from sjs.cli.verbs import VERBS
from sjs.errors import Refused, UsageError
from tests.cli.conftest import CommandLine
from tests.targets import moon

CONFIG = """\
managers:
  luna: {type: moon, slots: 1}
  io: {type: moon, slots: 2, quick: true}
  m1: {transport: local, root: .}
"""

WORDS = {"run": ["--", "ls"], "upload": ["--from", "."], "fetch": ["1"], "gate": ["alice", "--key", "alice.pub"]}


@pytest.fixture(autouse=True)
def config(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moon.installed(tmp_path, monkeypatch)
    path = cli.folder / "config.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    (cli.folder / "alice.pub").write_text("ssh-ed25519 AAAA alice")


@pytest.mark.parametrize("verb", INSTEAD)
def test_what_needs_a_machine_is_refused_in_a_line_that_says_what_instead(cli: CommandLine, verb: str) -> None:
    assert verb in VERBS
    outcome = cli.submit("luna", verb, *WORDS.get(verb, ()))
    instead = INSTEAD[verb].format(name="luna")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == f"submit: luna: a moon target has no machine for `{verb}` ({instead})\n"


def test_in_a_set_who_has_no_machine_is_passed_over(cli: CommandLine) -> None:
    outcome = cli.submit("all", "trust")
    assert (outcome.status, outcome.out) == (0, "[m1] is this machine\n")
    assert [line.partition(" (")[0] for line in outcome.err.splitlines()] == [
        f"[{name}] passed over: a moon target has no machine for `trust`" for name in ("luna", "io")
    ]


def test_hosts_and_doctor_say_of_it_what_there_is_to_say(cli: CommandLine) -> None:
    cli.submit("luna", "job", "--command", "a")
    outcome = cli.submit("luna,io", "hosts")
    assert (outcome.status, outcome.err) == (0, "")
    rows = [line.split() for line in outcome.out.splitlines()[1:]]
    assert [row[:4] for row in rows] == [["luna", "up", "-", "1/1"], ["io", "up", "-", "0/2"]]
    assert json.loads(cli.submit("luna", "hosts", "--json").out)["jobs_running"] == 1
    outcome = cli.submit("luna", "doctor")
    assert (outcome.status, outcome.out.splitlines()) == (
        0,
        ["config  ok  a moon target", "answer  ok  1 running, 0 waiting"],
    )
    moon.QUEUES["luna"].error = Refused("it is behind the clouds")
    outcome = cli.submit("luna,io", "doctor")
    assert outcome.status == 1
    assert "[luna] answer  fail  it is behind the clouds\n" in outcome.out
    assert "clouds" not in cli.submit("luna", "doctor", "--offline").out


def test_jobs_of_a_target_without_a_queue_of_ours_stay_there(cli: CommandLine) -> None:
    for words in (["luna", "rebalance", "--to", "io"], ["luna,io", "rebalance"], ["luna", "rebalance", "--finish"]):
        outcome = cli.submit(*words)
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith("submit: luna: jobs that a moon target has stay there (cancel them")
    assert "[luna] gives none: jobs that a moon target has stay there\n" in cli.submit("all", "rebalance").err


def test_all_list_wait_history_and_status_are_the_same_of_every_kind(cli: CommandLine) -> None:
    outcome = cli.submit("luna,io", "job", "-n", "n", "--command", "true", "--command", "false")
    assert (outcome.status, len(outcome.out.splitlines())) == (0, 4)
    lines = cli.submit("luna,io", "status").out.splitlines()
    assert [json.loads(line.partition(" ")[2])["jobs_running"] for line in lines] == [1, 0]
    assert cli.submit("luna,io", "status", "--json").status == 0
    assert len([line for line in cli.submit("luna,io", "list", "--all").out.splitlines() if "running" in line]) == 1
    records = [json.loads(line) for line in cli.submit("luna,io", "list", "--all", "--json").out.splitlines()]
    assert sorted((one["target"], one["id"]) for one in records) == [("io", 0), ("io", 1), ("luna", 0), ("luna", 1)]
    outcome = cli.submit("luna,io", "wait", "io:0-1")
    assert outcome.status == 1, "one of them has failed"
    outcome = cli.submit("luna,io", "history")
    assert [line.split()[2] for line in outcome.out.splitlines() if "false" in line] == ["failed"]
    assert cli.submit("io", "details", "1").status == 0
    assert cli.submit("io", "why", "1").out == "failed, as all things are here\n"
    assert cli.submit("io", "logs", "0").out == "said by 0, loss=1\n"
    assert cli.submit("io", "check-running").out == "[io] I am running\n"
    assert cli.submit("luna", "hold", "1").status == 0
    outcome = cli.submit("luna", "cancel", "0")
    assert outcome.status == 0
    assert [one.state for one in moon.QUEUES["luna"].jobs] == ["cancelled", "held"]


def test_a_sweep_and_its_results_go_over_every_kind(cli: CommandLine) -> None:
    outcome = cli.submit("any:luna,io", "sweep", "-n", "lr", "-p", "lr", "1", "2", "3", "--", "./train", "{lr}")
    assert outcome.status == 0
    outcome = cli.submit("luna,io", "results", "lr")
    assert outcome.status == 0, outcome.err
    outcome = cli.submit("io", "results", "lr", "--best", "min:loss")
    assert "loss" in outcome.out.splitlines()[0]
    assert "loss 1" in outcome.err or "loss=1" in outcome.err
    outcome = cli.submit("any:io", "sweep", "-n", "ab", "--wait", "-p", "a", "1", "2", "3", "--", "./train", "{a}")
    assert (outcome.status, outcome.out) == (0, "")


def test_python_code_has_jobs_of_every_kind_but_no_answers_of_calls(cli: CommandLine) -> None:
    said: list[str] = []
    with connect("config.yaml", notice=lambda name, text: said.append(f"{name}: {text}")) as fleet:
        job = fleet["io"].submit("true")
        assert job.wait(60) == "succeeded"
        assert job.stdout() == "said by 0, loss=1\n"
        assert [one.id for one in fleet["luna,io"].list()] == [0]
        with pytest.raises(UsageError, match="^io: of a call's job a moon target keeps no answer"):
            Executor(fleet["io"])
        with Executor(fleet["any:io,m1"]):
            assert said == ["io: passed over: of a call's job a moon target keeps no answer"]
