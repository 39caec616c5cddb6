from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sjs.extras import TREE, how_to_get


def test_what_is_to_be_typed_is_for_the_environment_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    assert how_to_get("plot") == "pip install 'sjs[plot]'"
    (tmp_path / "extras").write_text("view\n")
    assert how_to_get("plot") == f"SJS_EXTRAS=plot {TREE}/submit --version"
    assert (TREE / "submit").is_file()
