"""Completion, as shells ask for it: against pretended machines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sjs.answers import Flavor, Image
from sjs.cli.shell import live_words
from sjs.cli.shell.complete import SCRIPTS, split
from tests.cli.conftest import CommandLine
from tests.live.machine import DEADLINE, ROOT

BREAKS = " \t\n\"'@><=;|&(:"
JOBS = """\
hello()
say(id=hear()['id'], next=None, jobs=[
    {'id': 3, 'state': 'queued', 'attempt': 0, 'submitted': 1.0, 'command': 'train', 'name': 'later'},
    {'id': 2, 'state': 'running', 'attempt': 1, 'submitted': 1.0, 'started': 2.0, 'command': 'a: "b"\\n'},
])
asked = hear()
if asked:
    say(id=asked['id'], next=None, sweeps=[{'name': 'lr', 'counts': {'failed': 2}, 'began': 1, 'grew': 2}])
"""
CLUSTER = """\
  k8s:
    type: kubernetes
    flavors:
      - {name: thin, resources: {requests: {cpu: 1}}}
      - {name: wide, description: all of it, resources: {requests: {cpu: 9}}}
    default_flavor: wide
"""
SWEEPS = """\
hello()
say(id=hear()['id'], next=None, sweeps=[{'name': 'lr', 'counts': {'failed': 2}, 'began': 1, 'grew': 2}])
"""


class Shell:
    """Asks as one of the shells does."""

    def __init__(self, cli: CommandLine, patch: pytest.MonkeyPatch) -> None:
        self.cli = cli
        self._patch = patch

    def completes(self, line: str, shell: str = "fish") -> list[str]:
        self._patch.setenv("_SUBMIT_COMPLETE", f"{shell}_complete")
        self._patch.setenv("COMP_LINE", f"submit {line}")
        self._patch.setenv("COMP_WORDBREAKS", BREAKS)
        self._patch.setenv("SJS_COMPLETION_LIMIT", str(DEADLINE))
        return self.cli.submit().out.splitlines()

    def words(self, line: str) -> list[str]:
        return [one.partition("\t")[0] for one in self.completes(line)]


@pytest.fixture
def shell(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Shell:
    cli.play("gpu1", "hello()")
    with (cli.folder / "config.yaml").open("a") as config:
        config.write("groups: {big: gpu1}\n")
    return Shell(cli, monkeypatch)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["gpu1", "local", "@big", "any", "all", "job", "sweep"]),
        ("gp", ["gpu1"]),
        ("gpu1,!lo", ["gpu1,!local"]),
        ("any:@", ["any:@big"]),
        ("gpu1 st", ["status", "start", "stop"]),
        ("status gp", ["gpu1"]),
        ("gatew", ["gateway"]),
        ("gateway --list", ["--listen"]),
        ("gateway --certificate ", [":file"]),
        ("tok", ["token"]),
        ("token ", ["make", "list", "revoke"]),
        ("token make ann --sco", ["--scope"]),
        ("token list --a", ["--all"]),
        ("token burn ", []),
        ("gpu1 job --comm", ["--command", "--command-file"]),
        ("--config config.yaml gp", ["gpu1"]),
        ("--config ", [":file"]),
        ("gpu1 job --command-file ", [":file"]),
        ("gpu1 job --stdin=x", [":file"]),
        ("gpu1 job --snapshot ", [":dir"]),
        ("gpu1 job --snapshot --snapshot-l", ["--snapshot-limit"]),
        ("gpu1 job --on-lost ", ["fail", "requeue"]),
        ("gpu1 list --state=fa", ["--state=failed"]),
        ("gpu1 job --name ", []),
        ("gpu1 job -- python ", [":file"]),
        ("gpu1 import ", [":file"]),
        ("gpu1 rebalance --to gpu1,l", ["gpu1,local"]),
        ("nobody cancel --ji", ["--jid"]),
        ("gpu1 'open", []),
    ],
)
def test_what_may_come_next(shell: Shell, line: str, words: list[str]) -> None:
    assert shell.words(line)[: 7 if not line else None] == words


def test_who_has_no_config_that_can_be_read_has_verbs(shell: Shell) -> None:
    (shell.cli.folder / "config.yaml").write_text("][")
    assert shell.words("a") == ["any", "all"]
    assert shell.words("all cancel 1") == []


def test_each_shell_gets_it_in_its_own_words(shell: Shell) -> None:
    shell.cli.play("gpu1", JOBS)
    assert shell.completes("gpu1 cancel ") == ['2\trunning a: "b"\\n', "3\tqueued later", "lr\t2 failed"]
    assert shell.completes("gpu1 cancel 1,", "zsh") == ['1,2:running a: "b"\\n', "1,3:queued later", "1,lr:2 failed"]
    assert shell.completes("gpu1,local cancel gp", "zsh") == ['gpu1\\:2:running a: "b"\\n', "gpu1\\:3:queued later"]
    assert shell.completes("gpu1,local cancel gpu1:", "bash") == ["2", "3"]
    assert shell.completes("any:gp", "bash") == ["gpu1"]
    assert shell.completes("gpu1 list --state=fa", "bash") == ["failed"]
    assert shell.cli.machines["gpu1"].sessions == 2, "once for ids with the target's name, once without"
    asked, *_ = shell.cli.machines["gpu1"].requests
    assert set(asked["states"]) == {"starting", "running", "held", "waiting", "queued"}


def test_sweeps_are_known(shell: Shell) -> None:
    shell.cli.play("gpu1", SWEEPS)
    assert shell.completes("gpu1 list --sweep ") == ["lr\t2 failed"]
    assert shell.words("all results l") == ["lr"]


def with_a_cluster(shell: Shell) -> None:
    config = shell.cli.folder / "config.yaml"
    config.write_text(config.read_text().replace("groups:", f"{CLUSTER}groups:"))


def test_flavors_are_known_of_clusters_and_machines_are_not_asked(shell: Shell) -> None:
    with_a_cluster(shell)
    assert shell.completes("k8s,gpu1 job -r ") == ["wide\tall of it", "thin"]
    assert shell.words("k8s job --resources-flavor=th") == ["--resources-flavor=thin"]
    assert shell.words("k8s job -r ./fl") == [":file"]
    assert shell.words("gpu1 job -r ") == [":file"]
    assert not (shell.cli.folder / "fake-gpu1" / "headers").exists(), "no machine was asked"


def test_what_is_said_of_flavors_and_images() -> None:
    thin, usual = (Flavor(name, "one\nline\n" * 20, {}, {}, name == "u") for name in "tu")
    assert live_words.flavors([thin, usual]) == [(name, ("one\\nline\\n" * 6)[:60]) for name in "ut"]
    assert live_words.images([Image("a/b", ("1", "2")), Image("c")]) == [("a/b", "1 2"), ("c", "")]


def test_images_of_no_registry_are_none(shell: Shell) -> None:
    with_a_cluster(shell)
    assert shell.words("k8s image-details -i ") == shell.words("gpu1 image-details -i ") == []


def test_what_is_remembered_is_looked_at_with_care(shell: Shell) -> None:
    shell.cli.play("gpu1", JOBS)
    assert shell.words("gpu1 why ") == ["2", "3"]
    (note,) = (shell.cli.folder / ".cache/sjs/completion").iterdir()
    for text in ("", "[]", "{}", '{"until": 9e99, "words": [["9", ""]]}', '{"until": 1, "words": [["9", ""]]}'):
        note.write_text(text)
        assert shell.words("gpu1 why ") == ["2", "3"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("submit ", ["submit", ""]),
        ("submit", ["submit"]),
        ("", [""]),
        ("submit 'a b' c\\ ", ["submit", "a b", "c ", ""]),
        ('submit "a b', ["submit", "a b"]),
    ],
)
def test_a_line_is_split_as_far_as_it_goes(line: str, words: list[str]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_printed(cli: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("_SUBMIT_COMPLETE", f"{name}_source")
    assert f"_SUBMIT_COMPLETE={name}_complete" in cli.submit().out
    monkeypatch.setenv("_SUBMIT_COMPLETE", "csh_source")
    assert cli.submit().status == 1


def test_what_needs_no_machine_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("managers: {gpu1: {host: gpu1.invalid, project_root: /p}}\n")
    (tmp_path / "config.yaml").chmod(0o600)
    for line in ("submit gp", "submit gpu1 job --on-lost "):
        program = """
import sys
from sjs.cli.main import run
run("submit", [])
loaded = {"paramiko", "cryptography", "rich", "asyncio", "sqlite3"} & set(sys.modules)
assert not loaded, loaded
"""
        environ = {**os.environ, "_SUBMIT_COMPLETE": "bash_complete", "COMP_LINE": line, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(("gpu1\n", "fail\n"))
