"""kill -9 of workers while they pull items, and of the gateway that gives them out: each item goes through all stages,
no claim is given twice before its time is over, and no finish that was acknowledged is lost.

SJS_TEST_ITEMS=N has N items go through, SJS_TEST_CLAIMERS=N claimers pull them; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.stages import looking, pipelines
from tests.gateway.web.claimer import LEASE
from tests.gateway.web.conftest import client
from tests.gateway.web.test_hooks_killed import Gateway, gateway
from tests.live.machine import ROOT, until

ITEMS = int(os.environ.get("SJS_TEST_ITEMS", "200"))
CLAIMERS = int(os.environ.get("SJS_TEST_CLAIMERS", "16"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
PROCESSES = 4
ROUNDS = 6
"""In each a process of claimers is killed, and the gateway in each third."""

DEADLINE = 120.0 + ITEMS / 20
ENDS = {"finished", "returned", "released"}
"""Of claims; the gateway itself releases what it would give to somebody who has just gone."""


class Work:
    """Claimers, and what was acknowledged to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0
        self.processes: list[subprocess.Popen[bytes]] = []
        self.seen = self.counted = 0

    def finished(self) -> int:
        """How often that was acknowledged, by what has come since it was last looked."""
        path = self.folder / "acknowledged"
        if path.exists():
            with path.open("rb") as found:
                found.seek(self.seen)
                new = found.read()
            self.seen += len(new)
            self.counted += new.count(b'["finished"')
        return self.counted

    def at(self, there: Gateway) -> None:
        place = self.folder / "place.new"
        place.write_text(json.dumps([there.port, there.token]))
        place.replace(self.folder / "place")

    def start(self) -> None:
        self.made += 1
        words = [str(self.folder), f"w{self.made}", str(CLAIMERS // PROCESSES), str(ITEMS)]
        argv = [sys.executable, "-m", "tests.gateway.web.claimer", *words]
        self.processes.append(subprocess.Popen(argv, cwd=ROOT))

    def kill(self, chance: random.Random) -> None:
        process = self.processes.pop(chance.randrange(len(self.processes)))
        process.kill()
        process.wait()

    def acknowledged(self) -> Sequence[list[Any]]:
        path = self.folder / "acknowledged"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


@contextmanager
def working(folder: Path) -> Iterator[Work]:
    work = Work(folder)
    try:
        yield work
    finally:
        for process in work.processes:
            process.kill()
            process.wait()


def prepare(there: Gateway) -> None:
    with client(there.port, {"authorization": f"Bearer {there.token}"}) as api:
        stage = {"lifetime": 60, "tries": 1_000_000}
        assert api.put("/stages/p", json={"stages": [stage, stage, {}]}).status_code == 201
        assert api.post("/stages/p/items", json={"items": [{}] * ITEMS}).json()["count"] == ITEMS


def test_every_item_goes_through_once_whoever_dies(tmp_path: Path) -> None:
    print(f"SJS_TEST_SEED={SEED}")
    chance = random.Random(SEED)
    with working(tmp_path) as work, ExitStack() as stack:
        there = stack.enter_context(gateway(tmp_path))
        prepare(there)
        work.at(there)
        for _ in range(PROCESSES):
            work.start()
        for round in range(ROUNDS):
            far = (round + 1) * 2 * ITEMS // (ROUNDS + 2) + chance.randrange(ITEMS // 10)
            until(lambda: work.finished() >= far, f"{far} finishes", DEADLINE)  # noqa: B023
            work.kill(chance)
            if round % 3 == 0:
                stack.close()
                there = stack.enter_context(gateway(tmp_path))
                work.at(there)
            work.start()
        for process in work.processes:
            assert process.wait(DEADLINE) == 0
        stack.close()
    judge(tmp_path, work.acknowledged())


def judge(folder: Path, acknowledged: Sequence[list[Any]]) -> None:
    engine = engine_of(f"sqlite:///{folder}/gateway.db")
    with engine.connect() as connection:
        pipeline = pipelines.get(connection, "ann", "p")
        rows, _ = looking.page(connection, pipeline.id, looking.Which(), limit=ITEMS + 1)
        history = {row.number: looking.steps(connection, pipeline.id, row.number) for row in rows}
    engine.dispose()
    assert [row.number for row in rows] == list(range(1, ITEMS + 1))
    assert {(row.stage, row.state, row.flagged) for row in rows} == {(2, "free", False)}
    assert [json.loads(row.result) for row in rows] == [[1, number] for number in range(1, ITEMS + 1)]
    for steps in history.values():
        assert [step.stage for step in steps if step.what == "finished"] == [0, 1]
        for one, two in pairwise(steps):
            assert (two.what in ENDS) == (one.what == "claimed")
            assert two.what != "returned" or two.time >= one.time + LEASE
    claims = sum(step.what == "claimed" for steps in history.values() for step in steps)
    words = [word for what, _, _, word in acknowledged if what == "claimed"]
    assert len(words) == len(set(words)) <= claims
    done = [(number, stage) for what, number, stage, _ in acknowledged if what == "finished"]
    assert len(done) == len(set(done)) and set(done) <= {(n, s) for n in history for s in (0, 1)}
    print(f"{claims} claims for {2 * ITEMS} pieces of work, {len(done)} of them acknowledged as finished")
