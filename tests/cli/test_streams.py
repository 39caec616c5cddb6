"""Streams that are closed, or take no more: no traceback, and a status that says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.live.machine import ROOT, SUBMIT

VERSION, STATUS, WRONG = "--version", "local status", "local nothing"


def typed(folder: Path, words: str, redirected: str) -> subprocess.CompletedProcess[str]:
    """A command in a shell; what is left of its streams is caught."""
    program = f"PYTHONPATH={ROOT} {SUBMIT[0]} -m sjs.cli {words} {redirected}"
    environ = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": ""}
    return subprocess.run(
        ["sh", "-c", program],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "redirected", "status", "said"),
    [
        (STATUS, "<&-", 255, "no manager at"),
        (STATUS, ">&-", 255, "no manager at"),
        (STATUS, "2>&-", 255, ""),
        (STATUS, "<&- >&- 2>&-", 255, ""),
        (VERSION, ">&-", 0, ""),
        (VERSION, ">/dev/full", 1, "submit: No space left on device\n"),
        (VERSION, ">/dev/full 2>&1", 1, ""),
        (WRONG, "2>/dev/full", 2, ""),
        (VERSION, "| true", 0, ""),
    ],
)
def test_streams_may_be_closed_or_full(tmp_path: Path, words: str, redirected: str, status: int, said: str) -> None:
    done = typed(tmp_path, words, redirected)
    assert done.returncode == status
    assert said in done.stderr if said else done.stderr == ""
    assert done.stderr.count("\n") <= 1


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    done = typed(tmp_path, "local job --command-file \"$(printf 'a\\351')\"", "")
    assert (done.returncode, done.stderr) == (2, "submit: a\\xe9: No such file or directory\n")


def test_who_insists_on_leaving_gets_no_traceback() -> None:
    code = """
import os, signal
from sjs.cli import main
def interrupt(*given):
    os.kill(os.getpid(), signal.SIGINT)
    return given[-1]
main._run = main._say = interrupt
raise SystemExit(main.run("submit", []))
"""
    done = subprocess.run([*SUBMIT[:1], "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")


def test_who_tells_of_progress_to_nobody_ends_quietly() -> None:
    code = """
import os, sys
from sjs.cli import main
reading, writing = os.pipe()
os.dup2(writing, 2)
os.close(writing)
os.close(reading)
main._run = lambda *given: sys.stderr.write("how it goes\\n")
raise SystemExit(main.run("submit", []))
"""
    done = subprocess.run([*SUBMIT[:1], "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["sh", "-c", f'rmdir "$PWD" && PYTHONPATH={ROOT} {SUBMIT[0]} -m sjs.cli local job --command true'],
        cwd=gone,
        env={**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "the folder in which this was typed is gone" in done.stderr
