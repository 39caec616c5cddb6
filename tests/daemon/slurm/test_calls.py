"""Slurm's programs as children, which may say nothing for long, or be none at all."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sjs.daemon.slurm import calls
from sjs.daemon.slurm.calls import Calls, Result, environment
from tests.live.machine import DEADLINE


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def wait(one: Calls, selector: selectors.BaseSelector, is_over: Callable[[], bool]) -> None:
    """As the keeper's loop does."""
    until = time.monotonic() + DEADLINE
    while not is_over():
        assert time.monotonic() < until, "it does not end"
        selector.select(0.01)
        for pid in one.pids:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                one.reaped(pid, status)
        one.turn(time.monotonic())


def test_what_they_say_is_heard_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program(tmp_path, "squeue", 'seq 1 40000; echo "$MORE" >&2; exit 3')
    selector = selectors.PollSelector()
    one = Calls(selector, dict(os.environ))
    told: list[Result] = []
    one.run(["squeue"], told.append, {"MORE": "oops"})
    wait(one, selector, lambda: bool(told))
    assert (told[0].status, told[0].out.count("\n"), told[0].err) == (3, 40000, "oops\n")
    assert (one.pids, one.next_time(), len(selector.get_map())) == ([], None, 0)


def test_who_takes_too_long_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(calls, "PATIENCE", 0.1)
    program(tmp_path, "sbatch", "echo begun; exec sleep 100")
    selector = selectors.PollSelector()
    one = Calls(selector, dict(os.environ))
    told: list[Result] = []
    one.run(["sbatch"], told.append)
    wait(one, selector, lambda: bool(told))
    assert told[0].status is None


def test_who_is_not_there_is_said_at_once() -> None:
    told: list[Result] = []
    one = Calls(selectors.PollSelector(), {"PATH": "/nowhere"})
    one.run(["no-such-sbatch"], told.append)
    assert (told[0].status, told[0].err.partition(" (")[0]) == (127, "no-such-sbatch: No such file or directory")


def test_what_would_have_them_do_otherwise_is_kept_from_them() -> None:
    given = {"PATH": "/bin", "SLURM_CONF": "c", "SLURM_JOB_ID": "4", "SQUEUE_FORMAT": "%i", "SBATCH_ACCOUNT": "a"}
    found = environment({**given, "SBATCH_ARRAY_INX": "1-3", "SJS_JOB_ID": "3", "SSH_TTY": "t"})
    kept = {"PATH": "/bin", "SLURM_CONF": "c", "SBATCH_ACCOUNT": "a", "PYTHONUNBUFFERED": "1"}
    assert found == {**kept, "SLURM_TIME_FORMAT": "standard"}
