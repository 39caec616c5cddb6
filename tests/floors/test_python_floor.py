"""What goes to machines asks for no more than Python 3.8: read, not run, so that this holds where there is no 3.8."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sjs.bundle import SHIPPED

ROOT = Path(__file__).resolve().parents[2]


def vermin(*paths: Path) -> int:
    check = "from vermin import main; main()"
    argv = [sys.executable, "-c", check, "--quiet", "--config-file", str(ROOT / "setup.cfg"), *map(str, paths)]
    return subprocess.run(argv, timeout=120, stdout=subprocess.DEVNULL).returncode


def test_it_keeps_to_the_floor() -> None:
    assert vermin(*(ROOT / "sjs" / name for name in (*SHIPPED, "worker", "api/runner.py"))) == 0


@pytest.mark.parametrize(
    "line", ["import graphlib", "with (open('a') as a, open('b') as b): pass", "match 1:\n case 1: 0"]
)
def test_what_is_newer_is_noticed(line: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(line + "\n")
    assert vermin(tmp_path) != 0
