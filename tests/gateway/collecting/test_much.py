"""Large files, and many: in little memory, and in few questions.

SJS_COLLECT_LONG=1 takes 2 GiB and 10,000 files.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sjs.config import Config
from sjs.gateway.artifacts.collecting import Rules
from sjs.gateway.collecting.wanted import Wanted
from sjs.targets.session import Session
from tests.gateway.collecting.desk import Gathering, leaving
from tests.gateway.collecting.test_killed import gathering, lines

LONG = bool(os.environ.get("SJS_COLLECT_LONG"))
LARGE = 2 << 30 if LONG else 64 << 20
SMALL = 1 << 20
MORE = 24 << 20
"""Bytes of memory that a large file may take more than a small one, on either side."""

FILES = 10_000 if LONG else 1_500


def needed(said: dict[str, Any], folder: Path, size: int) -> list[int]:
    """The memory of who collects a file of so many bytes, and of what answers him."""
    command = f"yes 0123456 | head -c {size} > $SJS_ARTIFACTS_DIR/it"
    where = folder / str(size)
    with gathering(said, folder / f"{size}.db", str(where), "k", 1, command) as process:
        done = lines(process)[-1].split()
        process.communicate()
    (kept,) = [path for path in where.rglob("*") if path.is_file() and path.name != "lock"]
    assert kept.stat().st_size == size
    shutil.rmtree(where)
    return [int(word) for word in done[1:]]


def test_a_large_file_needs_no_more_memory_than_a_small_one(said: dict[str, Any], tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 4 * LARGE:
        pytest.skip(f"not {4 * LARGE} bytes free in {tmp_path}")
    small, large = needed(said, tmp_path, SMALL), needed(said, tmp_path, LARGE)
    print(f"{SMALL} bytes: {small}, {LARGE} bytes: {large}")
    assert all(small) and all(large)
    assert large[0] - small[0] < MORE and large[1] - small[1] < MORE


def test_many_files_take_few_questions(config: Config, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()
    real = Session.post

    def post(self: Session, op: str, payload: bytes = b"", patience: float = 30.0, **fields: Any) -> int:
        asked[op] += 1
        return real(self, op, payload, patience, **fields)

    monkeypatch.setattr(Session, "post", post)
    desk = Gathering(config, engine)
    command = f"cd $SJS_ARTIFACTS_DIR; mkdir sub; seq {FILES} | split -l 1 -a 4 - sub/"
    (row,) = desk.run(leaving(command, wanted=Wanted(Rules(most_files=FILES))))
    kept = desk.kept(row)
    desk.close()
    assert (row.state, len(kept), row.left_out) == ("succeeded", FILES, None)
    assert sorted(map(int, kept.values())) == list(range(1, FILES + 1))
    print(asked)
    assert asked["get"] <= FILES / 500 + 2
    assert asked["tree"] <= FILES / 2_500 + 2
    assert asked["outputs"] == asked["discard"] == 1
