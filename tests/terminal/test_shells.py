"""Completion in the shells themselves: a key is pressed, and the line is looked at."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, ENVIRONMENT, ROOT, SUBMIT, Machine, running, until
from tests.terminal.pane import Pane, pane

SHELLS = {
    "bash": ('eval "$(_SUBMIT_COMPLETE=bash_source submit)"',),
    "zsh": (
        "exec zsh -f",
        "PS1='$ '; autoload -U compinit && compinit -u -D",
        'eval "$(_SUBMIT_COMPLETE=zsh_source submit)"',
    ),
    "fish": (
        """exec fish --no-config --private -C "function fish_prompt; echo -n '$ '; end" """,
        "_SUBMIT_COMPLETE=fish_source submit | source",
    ),
}

LINES = (
    ("submit any:@bi", "submit any:@big"),
    ("submit node1 job --stdin=comm", "submit node1 job --stdin=commands.txt"),
    ("submit all release node1:", "submit all release node1:1"),
    ("submit node1,lo", "submit node1,local"),
    ("submit node1 list --sweep my", "submit node1 list --sweep my-sweep"),
    ("submit node1 job --command-file comm", "submit node1 job --command-file commands.txt"),
)


@contextlib.contextmanager
def before(folder: Path, machine: Machine, shell: str) -> Iterator[Pane]:
    """A shell in which completion is switched on, as the help says."""
    home = folder / "pane"
    (home / "bin").mkdir(parents=True)
    (home / "bin/submit").write_text(f'#!/bin/sh\nexec {sys.executable} -m sjs.cli "$@"\n')
    (home / "bin/submit").chmod(0o755)
    (home / "commands.txt").touch()
    configure(home, node1=machine)
    path = f"{home}/bin:{os.environ['PATH']}"
    with pane(home, {"PYTHONPATH": str(ROOT), "PATH": path, "SJS_COMPLETION_LIMIT": str(DEADLINE)}) as screen:
        for line in SHELLS[shell]:
            screen.types(line)
            screen.until(lambda seen: seen.endswith("\n$"))
            screen.types("clear")
            screen.until(lambda seen: seen == "$")
        yield screen


def configure(folder: Path, **machines: Machine) -> None:
    entries = "".join(f"  {name}: {{transport: local, root: {one.root}}}\n" for name, one in machines.items())
    (folder / "config.yaml").write_text(f"managers:\n{entries}groups: {{big: node1}}\n")
    (folder / "config.yaml").chmod(0o600)


def fill(machine: Machine) -> None:
    """A job that runs, and one of a sweep that is held."""
    with machine.client() as client:
        held = {"hold": True, "task": {"sweep": "my-sweep", "number": 1, "values": {"lr": "0.1"}}}
        client.ask("submit", key=None, jobs=[{"command": "sleep 60", "name": "first"}, {"command": "true", **held}])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("shells") / "machine") as machine:
        fill(machine)
        yield machine


@pytest.mark.parametrize(("shell", "tabs", "count"), [("bash", 2, len(LINES)), ("zsh", 1, 4), ("fish", 1, 4)])
def test_tab_completes_what_is_typed_or_lists_what_it_may_be(
    filled: Machine, tmp_path: Path, shell: str, tabs: int, count: int
) -> None:
    with before(tmp_path, filled, shell) as screen:
        for typed, completed in LINES[:count]:
            screen.presses("-l", typed)
            screen.presses("Tab")
            screen.until(lambda seen, line=completed: f"$ {line}" in seen.splitlines())  # type: ignore[misc]
            screen.presses("C-u")
            screen.until(lambda seen: seen.splitlines()[-1] == "$")
        screen.presses("-l", "submit node1 cancel ")
        screen.presses(*["Tab"] * tabs)
        found = screen.until(lambda seen: len(seen.splitlines()) > 1).split()
        assert {"0", "1"} <= set(found)
        if shell != "bash":  # which would take it for a part of the word
            assert all(word in " ".join(found) for word in ("running first", "held lr=0.1"))


def test_who_stands_still_is_passed_over_and_not_asked_again_soon(tmp_path: Path) -> None:
    def completed() -> list[str]:
        environ = {
            **ENVIRONMENT,
            "HOME": str(tmp_path),
            "_SUBMIT_COMPLETE": "fish_complete",
            "SJS_COMPLETION_LIMIT": "3",
        }
        environ["COMP_LINE"] = "submit node1,node2 release "
        done = subprocess.run(SUBMIT, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=DEADLINE)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]

    def asked_anew() -> list[str]:
        shutil.rmtree(tmp_path / ".cache/sjs/completion", ignore_errors=True)
        return completed()

    with running(tmp_path / "1") as first, running(tmp_path / "2") as second:
        configure(tmp_path, node1=first, node2=second)
        fill(first)
        fill(second)
        os.kill(second.manager_pid, signal.SIGSTOP)
        try:  # asked anew, for this machine may be too busy for the first one to answer in time
            until(lambda: asked_anew() == ["node1:1", "my-sweep"], "an answer of who can give one")
        finally:
            os.kill(second.manager_pid, signal.SIGCONT)
        assert "node2:1" not in completed()
        until(lambda: asked_anew() == ["node1:1", "my-sweep", "node2:1"], "answers of both")
