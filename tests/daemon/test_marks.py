"""How far a queue has come, read back after whatever happened to the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sjs.daemon.queue.marks import STEP, Mark, Marks, read


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "ids")
    assert read(path) == Mark(0, 0, 0)
    first = Marks(path)
    first.before_commit(5)
    first.after_commit(5, 2)
    first.close()
    assert read(path) == Marks(path).last == Mark(STEP, 5, 2)


def test_only_the_ceiling_is_synced_and_only_once_for_many_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Mark] = []
    path = str(tmp_path / "ids")
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(read(path)))
    marks = Marks(path)
    for number in range(1, 2 * STEP + 1, 500):
        marks.before_commit(number)
        marks.after_commit(number, number)
    assert [one.ceiling for one in synced] == [STEP, 2 * STEP]
    assert read(path).ceiling > read(path).next


@pytest.mark.parametrize("content", ["", "ceiling", "ceiling x next 1 started 2", "\xff" * 70])
def test_what_cannot_be_understood_says_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ids"
    path.write_text(content)
    assert read(str(path)) == Mark()
