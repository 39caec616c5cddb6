"""kill -9 of the gateway while workers get jobs and bring them back: what was answered stands, and no job is given to
two.

SJS_TEST_ROUNDS=N kills N times; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import random
import threading
import urllib.error
from collections import Counter
from itertools import count
from pathlib import Path

from sjs.gateway.settings import usual
from tests.gateway.program import HOST, listening, prepared, running
from tests.gateway.web.job_manager.client import Client
from tests.live.machine import DEADLINE

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "2"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
EACH, WORKERS = 40, 8

CUT = (urllib.error.URLError, http.client.HTTPException, ConnectionError)
"""What a client hears whose server dies: nothing."""


class Workers:
    """They ask until there is no more, whatever happens to who answers. `given`: how often each job was given;
    `brought`: those whose update was answered; `steps` says each time when one was."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.given: Counter[int] = Counter()
        self.brought: set[int] = set()
        self.lost = count()
        self.steps: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]
        for one in self._threads:
            one.start()

    def _work(self) -> None:
        while (found := json.loads(self._asked("/get/0"))) != "nada":
            self.given[found["jobid"]] += 1
            self._asked(f"/update_job/{found['jobid']}/2")
            self.brought.add(found["jobid"])
            self.steps.put(found["jobid"])

    def _asked(self, path: str) -> str:
        while True:
            try:
                return self._client.get(path)
            except CUT:
                next(self.lost)

    def wait(self, jobs: int) -> None:
        for _ in range(jobs):
            self.steps.get(timeout=DEADLINE)

    def join(self) -> None:
        for one in self._threads:
            one.join(DEADLINE)
            assert not one.is_alive()


def test_what_was_answered_stands(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    print(f"SJS_TEST_SEED={SEED}")
    folder = str(tmp_path / "gateway")
    token = prepared(usual(folder))
    jobs = EACH * (ROUNDS + 1)
    with listening() as door:
        client = Client(f"http://{HOST}:{door.getsockname()[1]}/stages", 7, token)
        with running({}, folder, door):
            client.get("/init/0/0/0")
            client.post("/set", {str(one): {"jobstage": 0} for one in range(jobs)})
        workers = Workers(client)
        for _ in range(ROUNDS):
            with running({}, folder, door) as gateway:
                workers.wait(chance.randrange(1, EACH // 2))
                gateway.kill()
        with running({}, folder, door):
            workers.join()
            lost = next(workers.lost)
            assert set(workers.given.values()) == {1} and set(workers.given) == workers.brought
            unheard = json.loads(client.get("/check_stages"))
            assert unheard == {"Are all simulations within time frame?": 1 + 100 * jobs}
            page = client.get("/get")
    assert f'<span id="progress_total">{len(workers.brought)}/{jobs}</span>' in page
    assert jobs - lost <= len(workers.brought) <= jobs
    assert f'aria-label="Stage 1" value="{jobs - len(workers.brought)}"' in page
