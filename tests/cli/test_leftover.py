"""What a command says of jobs that nobody has acknowledged, and the next one of what it did about them."""

from __future__ import annotations

import os

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_verbs import accepted, answers, report


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.targets.daemon_client.PATIENCE", 0.1)


def left(cli: CommandLine) -> list[str]:
    folder = cli.folder / ".local/state/sjs/outbox"
    return os.listdir(folder) if folder.exists() else []


def test_a_job_that_was_acknowledged_leaves_nothing(cli: CommandLine) -> None:
    cli.play("m", answers(report(), accepted()))
    assert cli.submit("any", "job", "--command", "x").status == 0
    assert left(cli) == []


def test_a_job_without_an_answer_is_kept_and_finished_after_a_while(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.play("m", "hello()\nsay(id=hear()['id'], **" + repr(report()) + ")\nhear()", "hello()\nhear()")
    cut = cli.submit("any", "job", "--command", "x")
    assert (cut.status, cut.out) == (255, "")
    assert "; 1 job(s) kept for it: the next command asks again\n" in cut.err
    machine = cli.play("m", *[answers(report())] * 2)
    before = machine.sessions
    soon = cli.submit("m", "status")
    assert "1 wait (m: " in soon.err
    assert machine.sessions == before + 1, "nobody asks again within a minute"
    monkeypatch.setattr("sjs.cli.leftover.REST", 0.0)
    cli.play("m", *[answers(accepted(7))] * 2)
    later = cli.submit("m", "check-running")
    assert "of the jobs that a command of " in later.err
    assert "was sending: m has taken 7\n" in later.err
    assert left(cli) == []


def test_a_refused_job_is_not_kept(cli: CommandLine) -> None:
    refusal = {"error": {"code": "bad_request", "message": "no", "hint": ""}}
    cli.play("m", answers(report(), refusal))
    outcome = cli.submit("any", "job", "--command", "x")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("[m] error: no; 1 job(s) not handed in\n")
    assert left(cli) == []


def test_an_outbox_that_cannot_be_read_is_said_and_stops_nobody(cli: CommandLine) -> None:
    (cli.folder / ".local/state/sjs").mkdir(parents=True)
    (cli.folder / ".local/state/sjs/outbox").write_text("a file")
    cli.play("m", answers(report()))
    outcome = cli.submit("m", "status")
    assert (outcome.status, outcome.err.endswith("sjs/outbox: Not a directory\n")) == (0, True)


def test_a_rerun_that_cannot_ask_somebody_is_refused(cli: CommandLine) -> None:
    cli.play("m1", "sys.exit('no such host')")
    cli.play("m2", answers({"parts": [], "next": None}, report(), accepted()))
    outcome = cli.submit("any", "job", "--command", "x", "--key", "k")
    assert (outcome.status, outcome.out) == (255, "")
    assert "m1 may have jobs of this key and does not say: " in outcome.err
    assert "any:'SET,!m1'" in outcome.err
    assert cli.submit("any:all,!m1", "job", "--command", "x", "--key", "k", "-p").out == "m2:0\n"


def test_if_free_reaches_the_manager(cli: CommandLine) -> None:
    machine = cli.play("m", answers(accepted()))
    cli.submit("m", "job", "--command", "x", "--if-free")
    assert machine.requests[0]["if_free"] is True
