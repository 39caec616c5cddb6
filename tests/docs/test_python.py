"""What the page about Python says is what happens."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/python.md"


def test_the_page_goes_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # of the version that is here
    (tmp_path / "python3").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    text = "".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    page = doctest.DocTestParser().get_doctest(text, {}, "python.md", str(PAGE), 0)
    said: list[str] = []
    try:
        outcome = doctest.DocTestRunner(verbose=False).run(page, out=said.append, clear_globs=False)
    finally:
        page.globs["fleet"].close()
        stop = [sys.executable, "-m", "sjs.cli", "local", "stop", "--kill"]
        subprocess.run(stop, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60, check=True)
    assert outcome.attempted > 20
    assert not outcome.failed, "".join(said)
