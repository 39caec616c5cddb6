"""Trees of uploads stay as long as a job may need them, and then go."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs.capture.taking import KEPT
from sjs.gateway.desk import Desk
from sjs.gateway.records import jobs
from sjs.gateway.web.jobd import words
from sjs.gateway.web.jobd.trees import Trees
from sjs.snapshots.store import DAY
from tests.gateway.web.jobd.speaking import Client, archive


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """What jobs wait for, that are to wait; in the end for nothing."""
    yield tmp_path / "gate"
    (tmp_path / "gate").touch()


def tree_of(desk: Desk, owner: str, name: str) -> str:
    async def found() -> str:
        number = await desk.read(lambda connection: jobs.named(connection, owner, words.ORIGIN, name))
        assert number is not None
        row = await desk.read(lambda connection: jobs.get(connection, number))
        assert row is not None
        return str(json.loads(row.body)["snapshot"]["id"])

    return asyncio.run(found())


def test_a_tree_stays_as_long_as_a_job_waits_and_then_goes_in_a_day(
    jobd: Client, desk: Desk, owner: str, gate: Path
) -> None:
    slow = archive(f"until [ -e {gate} ]; do sleep 0.1; done")
    assert jobd.run("ended", "exit 0").said["Status"] == "SUCCESS"
    assert jobd.upload("waits", slow).status == 201
    trees, now = Trees(desk), time.time()
    ended, waits = (tree_of(desk, owner, name) for name in ("ended", "waits"))
    assert trees.store.use(waits, now - KEPT + 1)

    asyncio.run(trees.tend(now))
    assert trees.store.age(waits, now) <= 0
    assert trees.store.age(ended, now) == pytest.approx(KEPT - DAY, abs=1)

    later = now + DAY / 2
    assert jobd.upload("again", slow).status == 201
    asyncio.run(trees.tend(later))
    assert trees.store.age(ended, later) == pytest.approx(KEPT - DAY / 2, abs=1), "its day does not begin anew"

    gate.touch()
    for name in ("waits", "again"):
        assert jobd.ended(name).said["Status"] == "SUCCESS"
    asyncio.run(trees.tend(later))
    assert trees.store.age(waits, later) == pytest.approx(KEPT - DAY, abs=1)
