"""What is large goes through in little memory."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.artifacts.carried import pieces
from tests.gateway.artifacts.servers import LONG, Server

ROOT = Path(__file__).parents[3]
SIZE = 2 << 30 if LONG else 64 << 20
BOUND = 50 << 20


def carried(where: str, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 4 * SIZE:
        pytest.skip(f"not {4 * SIZE} bytes free in {tmp_path}")
    digest = hashlib.sha256()
    for piece in pieces(SIZE):
        digest.update(piece)
    program = [sys.executable, "-m", "tests.gateway.artifacts.carried", where, str(SIZE)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=900)
    size, sha256, is_same, memory = done.stdout.split()
    print(f"{size} bytes in {int(memory) / (1 << 20):.1f} MiB of memory")
    assert (int(size), sha256, is_same) == (SIZE, digest.hexdigest(), "True"), done.stderr
    assert int(memory) < BOUND


def test_through_the_folder(tmp_path: Path) -> None:
    carried(str(tmp_path / "artifacts"), tmp_path)


def test_through_s3(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    name = "s3rver" if LONG else "moto"  # moto keeps all in its memory
    request.getfixturevalue(f"opened_{name}")
    server: Server = request.getfixturevalue(name)
    carried(json.dumps({"server": server, "prefix": "sjs/"}), tmp_path)
