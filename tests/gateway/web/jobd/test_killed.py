"""kill -9 of the gateway while it takes uploads, with jobs that have not begun: each job runs once, by the next gateway
if it must be, also where its client was cut off and brought it again.

SJS_TEST_ROUNDS=N kills N times; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import http.client
import os
import queue
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.gateway.settings import usual
from tests.gateway.program import listening, prepared, running
from tests.gateway.web.jobd.speaking import Client, archive
from tests.live.machine import DEADLINE

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "2"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
EACH = 6


def test_each_job_runs_once(said: dict[str, Any], tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"SJS_TEST_SEED={SEED}")
    folder = str(tmp_path / "gateway")
    token = prepared(usual(folder))
    names = [f"j{number}" for number in range(EACH * (ROUNDS + 1))]
    with listening() as door:
        jobd = Client(door.getsockname()[1], "/jobd", {"authorization": f"Bearer {token}"})
        uploads = Uploads(jobd, names, script(tmp_path))
        for _ in range(ROUNDS):
            with running(said, folder, door) as gateway:
                uploads.wait(chance.randrange(1, EACH))
                gateway.kill()
        with running(said, folder, door):
            uploads.wait_for_all()
            (tmp_path / "gate").touch()
            ends = [jobd.ended(name) for name in names]
    assert [(end.said["Status"], end.files["it"]) for end in ends] == [("SUCCESS", b"ok\n")] * len(names)
    assert sorted((tmp_path / "ran").read_text().split()) == sorted(names)


def script(folder: Path) -> str:
    """Of a job that waits until all gateways but the last one are dead."""
    return f"until [ -e {folder}/gate ]; do sleep 0.1; done; cat name >> {folder}/ran; echo ok > it"


class Uploads(threading.Thread):
    """One after the other. What was cut off is brought again: then it is new, or there is such a job already."""

    def __init__(self, jobd: Client, names: list[str], script: str) -> None:
        super().__init__(name="uploads")
        self._jobd = jobd
        self._names = names
        self._script = script
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._left = len(names)
        self.start()

    def run(self) -> None:
        for name in self._names:
            known = [201]
            while True:
                try:
                    answer = self._jobd.upload(name, archive(self._script, name=f"{name}\n".encode()))
                except (OSError, http.client.HTTPException):
                    known = [201, 400]
                    continue
                self._answers.put("" if answer.status in known else f"{name}: {answer.status} {answer.body!r}")
                break

    def wait(self, count: int) -> None:
        """Until so many more were answered."""
        for _ in range(count):
            assert self._answers.get(timeout=DEADLINE) == ""
        self._left -= count

    def wait_for_all(self) -> None:
        self.wait(self._left)
        self.join()


@pytest.fixture(autouse=True)
def gone(tmp_path: Path) -> Iterator[None]:
    """No job waits for ever, whatever becomes of the test."""
    yield
    (tmp_path / "gate").touch()
