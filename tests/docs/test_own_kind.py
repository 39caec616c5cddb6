"""The kind of target that docs/kinds.md shows how to write, typed at as it is written there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sjs.cli.main import run
from tests.docs.readme import ROOT

POINTS = "[sjs.targets]\nhouse = sjs_house:HOUSE\n"


def test_the_kind_of_the_page_takes_jobs_once_and_refuses_what_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/kinds.md").read_text(encoding="utf-8")
    (tmp_path / "sjs_house.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    info = tmp_path / "sjs_house-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: sjs-house\nVersion: 1\n")
    (info / "entry_points.txt").write_text(POINTS)
    (tmp_path / "config.yaml").write_text("managers:\n  h: {type: house, file: jobs}\n")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sjs_house", raising=False)

    def typed(*words: str) -> tuple[int, str]:
        status = run("submit", words)
        said = capsys.readouterr()
        return status, said.out + said.err

    for _ in range(2):
        status, said = typed("h", "job", "--key", "once", "--", "echo", "two words")
        assert (status, '"job_id": 0' in said) == (0, True), said
    assert typed("h", "job", "-p", "--command", "true") == (0, "1\n")
    assert [line.split("\t")[1] for line in (tmp_path / "jobs").read_text().splitlines()] == [
        "echo 'two words'",
        "/bin/sh -c true",
    ]
    assert typed("h", "list") == (1, f"[h] error: h only takes jobs (look into {tmp_path}/jobs)\n")
    status, said = typed("h", "job", "-G", "1", "--", "true")
    assert (status, "there are no GPUs in the house" in said) == (1, True), said
