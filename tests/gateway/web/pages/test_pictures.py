"""Pictures of pages can be made, and those that documents show are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.web.pages.pictures import MOST, PAGES, SIZE
from tests.live.machine import DEADLINE, ENVIRONMENT, ROOT

PICTURES = ROOT / "docs/pictures"


def test_they_can_be_made(tmp_path: Path) -> None:
    """All that a picture shows is there for one, too; the other program is because playwright has the thread's loop."""
    command = [sys.executable, "-m", "tests.gateway.web.pages.pictures", str(tmp_path), "machines"]
    made = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=4 * DEADLINE)
    assert made.returncode == 0, made.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["machines.png"]
    assert size_of(tmp_path / "machines.png") == (SIZE["width"], SIZE["height"])


def test_all_are_there_and_small() -> None:
    assert {one.stem for one in PICTURES.iterdir()} == set(PAGES)
    for one in PICTURES.iterdir():
        assert size_of(one) == (SIZE["width"], SIZE["height"])
        assert one.stat().st_size < MOST


@pytest.mark.parametrize("page", ["README.md", "docs/pages.md"])
def test_what_is_shown_is_there(page: str) -> None:
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    assert shown
    for one in shown:
        assert ((ROOT / page).parent / one).is_file(), one


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height, as the head of a PNG says."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
