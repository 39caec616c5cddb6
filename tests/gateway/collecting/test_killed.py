"""kill -9 of whoever collects, of managers, and of what answers on the machines: what jobs have left is kept once, and
whole.

SJS_TEST_ROUNDS=N kills N times; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sjs.config import Config
from sjs.gateway.artifacts.folder import FolderStore
from sjs.gateway.artifacts.s3 import S3Store
from sjs.gateway.artifacts.store import Store
from sjs.gateway.records.opening import engine_of
from tests.gateway.artifacts import servers
from tests.gateway.artifacts.killed import opened
from tests.gateway.collecting.desk import Gathering, there
from tests.live.machine import ROOT, Machine

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "4"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
EACH = 4
"""Jobs that are handed in between two kills."""

FILES, LARGE = 8, 1_500_000
MAKE = (
    f"cd $SJS_ARTIFACTS_DIR; mkdir sub; for n in $(seq {FILES}); do echo $SJS_MANAGER.$SJS_JOB_ID.$n > sub/$n; done;"
    f" yes $SJS_JOB_ID | head -c {LARGE} > large"
)


@pytest.fixture(params=["folder", "moto"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield str(tmp_path / "artifacts")
        return
    with servers.moto() as server:
        store = S3Store(server.settings(), server.environ, pytest.fail)
        store.client.create_bucket(Bucket=store.settings.bucket)
        store.close()
        yield json.dumps({"server": server, "prefix": "sjs/"})


def test_all_is_kept_once_and_whole_whoever_is_killed(
    config: Config, said: dict[str, Any], machines: dict[str, Machine], where: str, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    print(f"SJS_TEST_SEED={SEED}")
    database = tmp_path / "killed.db"
    rounds = ROUNDS if where.startswith("/") else -(-ROUNDS // 2)
    for number in range(rounds):
        with gathering(said, database, where, f"k{number}", EACH, MAKE) as process:
            lines(process, chance.randrange(1, 4 * EACH))
            kill_one(process.pid, machines, chance)
            lines(process, chance.randrange(0, EACH))
            process.kill()
    with gathering(said, database, where, "last", EACH, MAKE) as process:
        assert lines(process)[-1].startswith("done")
        process.communicate()
    desk = Gathering(config, engine_of(f"sqlite:///{database}"), opened(where))
    rows = desk.every()
    desk.office.close()
    assert len(rows) in range(EACH, (rounds + 1) * EACH + 1) and len(rows) % EACH == 0
    assert Counter((row.state, row.kept, row.left_out) for row in rows) == {("succeeded", "done", None): len(rows)}
    places = []
    for row in rows:
        place = machines[row.target].door
        files = {f"sub/{n}": f"{place}.{row.number}.{n}\n".encode() for n in range(1, FILES + 1)}
        kept = desk.kept(row)
        assert kept.pop("large") == (f"{row.number}\n".encode() * LARGE)[:LARGE]
        assert kept == files
        kinds = Counter(kind for kind, _ in desk.told(row))
        assert (kinds["artifact.kept"], kinds["job.collected"]) == (FILES + 1, 1)
        places += [f"{row.id}/{row.attempt}"] * (FILES + 1)
    assert Counter(key.rpartition("/")[0] for key in keys(desk.store)) == Counter(places)
    assert [there(one.state) for one in machines.values()] == [[], []]
    desk.close()
    desk.engine.dispose()


@contextmanager
def gathering(said: dict[str, Any], database: Path, where: str, *more: Any) -> Iterator[subprocess.Popen[str]]:
    words = [json.dumps(said), str(database), where, *map(str, more)]
    argv = [sys.executable, "-m", "tests.gateway.collecting.gathering", *words]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def lines(process: subprocess.Popen[str], most: int = 1 << 30) -> list[str]:
    """What it says next, until it is done."""
    assert process.stdout is not None
    found: list[str] = []
    while len(found) < most and not (found and found[-1].startswith("done")):
        line = process.stdout.readline()
        assert line, "it has ended"
        found.append(line)
    return found


def kill_one(pid: int, machines: dict[str, Machine], chance: random.Random) -> None:
    """A manager, or one of the processes that answer whoever collects, or nobody."""
    whom = chance.choice(["manager", "answer", "nobody"])
    if whom == "manager":
        machines[chance.choice("ab")].kill_manager()
    if whom == "answer":
        with contextlib.suppress(ProcessLookupError, IndexError):
            children = Path(f"/proc/{pid}/task").glob("*/children")
            os.kill(chance.choice([int(one) for path in children for one in path.read_text().split()]), signal.SIGKILL)


def keys(store: Store) -> list[str]:
    """All that is kept."""
    if isinstance(store, S3Store):
        pages = store.client.get_paginator("list_objects_v2").paginate(Bucket=store.settings.bucket)
        return [one["Key"].removeprefix("sjs/") for page in pages for one in page.get("Contents", ())]
    assert isinstance(store, FolderStore)
    top = Path(store.path)
    found = (path.relative_to(top) for path in top.rglob("*") if path.is_file())
    return ["/".join(path.parts[1:]) for path in found if len(path.parts) == 4]
