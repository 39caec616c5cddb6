"""What is large goes through the gateway in little memory, in and out. SJS_JOBD_LONG=1: 200 MB of it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sjs.gateway.settings import usual
from tests.gateway.program import listening, prepared, running
from tests.gateway.web.jobd.speaking import Client
from tests.live.machine import DEADLINE

LONG = "SJS_JOBD_LONG" in os.environ
SIZE = (200 if LONG else 16) << 20
BOUND = 20 << 20
"""Bytes by which the process may become larger than it was when it had done nothing."""

PIECE = 57 << 10
"""Bytes that come to whole lines of base64."""


def most_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) << 10


def large(path: Path) -> str:
    """An archive of that size, of what can not be made smaller; the digest of what is in it."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("run.sh", "#!/bin/sh\nmv in out\n")
        with made.open("in", "w") as to:
            for at in range(SIZE >> 20):
                piece = hashlib.shake_128(str(at).encode()).digest(1 << 20)
                digest.update(piece)
                to.write(piece)
    return digest.hexdigest()


def body(path: Path) -> Iterator[bytes]:
    yield b'{"id": "large", "input": "'
    with path.open("rb") as source:
        while piece := source.read(PIECE):
            yield base64.encodebytes(piece).replace(b"\n", b"\\n")
    yield b'"}'


def test_large_uploads_and_results_are_never_whole_in_memory(said: dict[str, Any], tmp_path: Path) -> None:
    folder, given = str(tmp_path / "gateway"), tmp_path / "given.zip"
    digest = large(given)
    token = prepared(usual(folder))
    with listening() as door, running(said, folder, door) as gateway:
        jobd = Client(door.getsockname()[1], "/jobd", {"authorization": f"Bearer {token}"})
        assert jobd.get("large").status == 404
        before = most_memory(gateway.pid)
        answer = jobd.post(body(given))
        assert (answer.status, len(answer.body) > SIZE * 4 // 3) == (201, True)
        uploaded = most_memory(gateway.pid)
        answer = jobd.ended("large", 10 * DEADLINE)
        after = most_memory(gateway.pid)
    print(f"{SIZE >> 20} MiB: {before >> 20} MiB, {uploaded >> 20} after the upload, {after >> 20} after the result")
    assert hashlib.sha256(answer.files["out"]).hexdigest() == digest
    assert after - before < BOUND
