"""kill -9 of the office while it accepts: whatever it said it had accepted runs once, and its end is known.

SJS_TEST_ROUNDS=N kills N times; SJS_TEST_SEED=N repeats a run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from sjs.config import from_mapping
from sjs.gateway.records.opening import engine_of
from sjs.gateway.records.tables import jobs
from tests.gateway.engine.test_office import Desk
from tests.live.machine import ROOT

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "4"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
EACH = 40


def test_what_was_accepted_runs_once(tmp_path: Path, said: dict[str, Any]) -> None:
    chance = random.Random(SEED)
    print(f"SJS_TEST_SEED={SEED}")
    ran, database = tmp_path / "ran", tmp_path / "gateway.db"
    accepted: list[int] = []
    for _ in range(ROUNDS):
        first = accepted[-1] + 1 if accepted else 0  # the one that was asked for last may have been accepted, too
        accepted += _killed(said, database, ran, first, chance.randrange(1, EACH))
    with _office(said, database, ran, accepted[-1] + 1, 1) as last:
        assert last.stdout is not None
        accepted += _numbers(last, 1)
        assert last.stdout.readline() == b"done\n"
        last.kill()
    desk = Desk(from_mapping(said, {}), engine_of(f"sqlite:///{database}"))
    with desk.engine.connect() as connection:
        known = list(connection.scalars(select(jobs.c.id).order_by(jobs.c.id)))
    rows = desk.wait(known)
    desk.close()
    desk.engine.dispose()
    times = [int(word) for word in ran.read_text().split()]
    assert sorted(times) == sorted(set(times))
    assert set(accepted) <= set(times)
    assert len(rows) == len(times)
    assert {row.state for row in rows} == {"succeeded"}


def _killed(said: dict[str, Any], database: Path, ran: Path, first: int, after: int) -> list[int]:
    """What an office has accepted that was killed after so many."""
    with _office(said, database, ran, first, EACH) as process:
        found = _numbers(process, after)
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        found += [int(line) for line in process.stdout.read().split() if line != b"done"]
    return found


def _numbers(process: subprocess.Popen[bytes], count: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


def _office(said: dict[str, Any], database: Path, ran: Path, first: int, count: int) -> subprocess.Popen[bytes]:
    words = [json.dumps(said), str(database), str(ran), str(first), str(count)]
    argv = [sys.executable, "-m", "tests.gateway.engine.accepting", *words]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
