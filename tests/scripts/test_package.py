from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_runs_where_nothing_else_is_installed() -> None:
    check = ["sh", "scripts/check_package.sh", sys.executable]
    done = subprocess.run(
        check, cwd=ROOT, capture_output=True, text=True, timeout=280, env={**os.environ, "PIP_COMPILE": "0"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
