"""A test that hangs ends neither the run nor what runs beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.live.machine import DEADLINE, ENVIRONMENT

LONG = 3 * DEADLINE
"""For a run of its own, which begins three processes."""

WATCHED = """\
from tests import hanging

def pytest_configure(config):
    config.pluginmanager.register(hanging.Watch(3))
"""
HANGS = """\
import threading

def waits_for_nobody():
    threading.Event().wait()

def test_before():
    threading.Thread(target=waits_for_nobody, name="an idle one", daemon=True).start()

def test_hangs():
    waits_for_nobody()

def test_after():
    pass
"""
OTHER = "def test_other():\n    pass\n"


def test_it_fails_with_all_stacks_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(WATCHED)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_a.py").write_text(HANGS)
    for name in "bcde":
        (tmp_path / f"test_{name}.py").write_text(OTHER)
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider"]
    command += ["--numprocesses=2", "--dist=loadfile"]
    environ = {**ENVIRONMENT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # each of three processes would load all of them
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 1 and "1 failed, 6 passed" in done.stdout, done.stdout
    assert "test_hangs" in done.stdout and "it hangs: after 3 s there were\nE       an idle one:" in done.stdout
    assert done.stdout.count("in waits_for_nobody") >= 1
