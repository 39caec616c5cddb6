from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of somebody whom git does not know."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("GIT_") and name != "GIT_CEILING_DIRECTORIES"]:
        monkeypatch.delenv(name)
    found = tmp_path / "tree"
    found.mkdir()
    return found


@pytest.fixture
def git(folder: Path) -> Git:
    def call(*arguments: str, at: Path = folder) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
        subprocess.run(["git", "-C", str(at), *who, *arguments], check=True, capture_output=True, timeout=60)

    return call


def write(folder: Path, **files: str) -> None:
    """Files by their names, in which `__` is a stroke."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
