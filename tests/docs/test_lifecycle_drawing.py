from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_drawing_is_that_of_the_table() -> None:
    drawn = subprocess.run([ROOT / "scripts/draw-lifecycle"], capture_output=True, text=True, timeout=60, check=True)
    assert (ROOT / "docs/lifecycle.md").read_text() == drawn.stdout
