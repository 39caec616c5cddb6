"""Queues that an older sjs has left, each with jobs in every state that it knew, go on under this one."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from sjs.daemon.queue.hook_list import HookList, Owed
from sjs.daemon.queue.ledger import Ledger
from sjs.daemon.queue.schema import MIGRATIONS
from sjs.daemon.queue.store import Store
from tests.daemon.queues import Queue, make

DIGEST = "7ea2e27a54a3f73fb2c9b9ab1c1c4bcd9b1ec7b6d1d8a6a0f0f7a4f0b6a8f6c1"

FILLED = (
    (
        "INSERT INTO meta VALUES ('max_jobs_running', '2'), ('boot', 'b'), ('counts', '{\"succeeded\":1,\"failed\":1,"
        '"running":1,"starting":1,"queued":2,"cancelled":1,"lost":1}\')',
        "INSERT INTO jobs (id, state, spec, submitted, attempt, slot, pid, started, ended, reason, exit, signal, usage)"
        " VALUES (0, 'succeeded', '{\"command\":\"a\"}', 1.0, 1, 0, 7, 2.0, 3.0, 'exit', 0, NULL, '{\"user\":0.5}'),"
        " (1, 'failed', '{\"argv\":[\"b\"]}', 1.0, 1, 1, 8, 2.0, 3.0, 'signal', NULL, 9, '{}'),"
        ' (2, \'running\', \'{"command":"c","cwd":"sub"}\', 1.0, 1, 0, 9, 2.0, NULL, NULL, NULL, NULL, NULL),'
        " (3, 'starting', '{\"command\":\"d\"}', 1.0, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (4, 'queued', '{\"command\":\"e\"}', 1.0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (5, 'queued', '{\"command\":\"f\"}', 1.0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
        " (6, 'cancelled', '{\"command\":\"g\"}', 1.0, 0, NULL, NULL, NULL, 3.0, 'cancelled', NULL, NULL, NULL),"
        " (7, 'lost', '{\"command\":\"h\"}', 1.0, 1, 0, 5, 2.0, 3.0, 'host-lost', NULL, NULL, NULL)",
        "UPDATE sqlite_sequence SET seq = 19 WHERE name = 'jobs'",
        f"INSERT INTO submits VALUES ('k/0', '{DIGEST}', 4, 2, 1.0)",
    ),
    (
        'INSERT INTO shapes VALUES (1, \'{"cpus":0,"gpus":1000}\')',
        "UPDATE meta SET value = json_set(value, '$.held', 1, '$.waiting', 2, '$.queued', 3) WHERE key = 'counts'",
        "INSERT INTO jobs (id, state, spec, submitted, shape, priority, due, blockers, name) VALUES"
        ' (20, \'held\', \'{"command":"i","name":"n"}\', 1.0, 0, 0, NULL, 0, \'n\'),'
        ' (21, \'waiting\', \'{"command":"j","after":[["ok",[[2,2]]]]}\', 1.0, 0, 0, NULL, 1, NULL),'
        " (22, 'waiting', '{\"command\":\"k\"}', 1.0, 0, 0, 5.0, 0, NULL),"
        ' (23, \'queued\', \'{"command":"l","priority":9}\', 1.0, 0, 9, NULL, 0, NULL)',
        "INSERT INTO blockings VALUES (2, 21, 'ok'), (0, 22, 'ok')",
        "INSERT INTO attempts (job, attempt, reason, exit) VALUES (7, 1, 'exit', 4)",
        "UPDATE jobs SET attempt = 2 WHERE id = 7",
        "INSERT INTO environments VALUES ('x', '{}')",
    ),
    ("UPDATE jobs SET paused = 1 WHERE id = 2",),
    (
        "INSERT INTO meta VALUES ('hooks', '{\"on_finish\":\"cat\"}')",
        "INSERT INTO hooks VALUES (5, 'on_finish', 0)",
    ),
    ("UPDATE jobs SET retried = 1 WHERE id = 7",),
    ("UPDATE jobs SET submitter = 'alice' WHERE id = 7",),
    (
        "UPDATE meta SET value = json_set(value, '$.moving', 1) WHERE key = 'counts'",
        "INSERT INTO jobs (id, state, spec, submitted, via) VALUES (24, 'moving', '{\"command\":\"m\"}', 1.0, 'any')",
        "INSERT INTO moves VALUES ('k/0', 'there', 1.0, 1, NULL)",
        "INSERT INTO movers VALUES (24, 'k/0', 0)",
    ),
    ("UPDATE jobs SET snapshot = 'x' WHERE id = 7",),
    ("UPDATE jobs SET sweep = 's', setting = 'x' WHERE id = 7", "INSERT INTO sweeps VALUES ('s', 'lost', 1)"),
    ("INSERT INTO untold VALUES (1)",),
    ("""UPDATE jobs SET place = '{"id":"4_2"}' WHERE id = 7""",),
)
"""What queues of each schema may hold besides what those before it could."""

KNOWN = [
    "76cf9cb5",
    "2911290e",
    "587e214d",
    "4b24ce08",
    "06d73267",
    "f51341b9",
    "29ab45ff",
    "1fc23f36",
    "b2bb80fe",
    "7ce9f3d0",
    "bcfba1b4",
]


def old(path: str, version: int) -> None:
    """A queue as that schema had it."""
    database = sqlite3.connect(path)
    for statements, content in zip(MIGRATIONS[:version], FILLED[:version], strict=True):
        for statement in (*statements, *content):
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {version}")
    database.commit()
    database.close()


@pytest.fixture(params=range(1, len(MIGRATIONS) + 1))
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def queue(tmp_path: Path, version: int) -> Queue:
    path = str(tmp_path / "jobs.db")
    old(path, version)
    return make(4, path)


def test_every_schema_has_its_old_queue() -> None:
    assert len(FILLED) == len(MIGRATIONS)


def test_what_made_a_schema_never_changes() -> None:
    """There are queues that were made by it: what is new is said by another migration."""
    found = [hashlib.sha256("\n".join(each).encode()).hexdigest()[:8] for each in MIGRATIONS]
    assert found[: len(KNOWN)] == KNOWN


def test_each_job_is_what_it_was(queue: Queue, version: int) -> None:
    jobs = [queue.job(number) for number in range(8)]
    states = ["succeeded", "failed", "running", "starting", "queued", "queued", "cancelled", "lost"]
    assert [job.state for job in jobs] == states
    assert [job.spec.program[-1] for job in jobs] == list("abcdefgh")
    assert [(job.end.reason, job.end.exit, job.end.signal) for job in jobs if job.end] == [
        ("exit", 0, None),
        ("signal", None, 9),
        ("cancelled", None, None),
        ("host-lost", None, None),
    ]
    assert (jobs[0].usage, jobs[2].spec.cwd, jobs[2].pid) == ({"user": 0.5}, "sub", 9)
    assert [job.paused for job in jobs] == [number == 2 and version >= 3 for number in range(8)]
    assert jobs[7].retried == int(version >= 5)
    assert jobs[7].place == ((("id", "4_2"),) if version >= 11 else ())
    assert jobs[7].submitter == ("alice" if version >= 6 else "")
    assert len(queue.ask("details", job=7)["attempts"]) == int(version >= 2)


def test_the_queue_goes_on_where_it_was(queue: Queue, version: int) -> None:
    ledger = queue.ledger
    ledger.reconcile([{"tag": f"{job}.1", "pid": 9, "at": 2.0, "end": None} for job in (2, 3)], "b", 9.0)
    assert (ledger.missing, queue.job(3).state) == ([], "running")
    assert queue.start_all() == (["23.1", "4.1"] if version >= 2 else ["4.1", "5.1"])
    assert ledger.counts == queue.store.count_all() | {state: 0 for state in ledger.counts if not ledger.counts[state]}
    assert ledger.next_id == (25 if version >= 7 else 24 if version >= 2 else 20)
    assert queue.submit("new") == [ledger.next_id - 1]


def test_whom_others_wait_for_is_still_known(queue: Queue, version: int) -> None:
    if version < 2:
        assert not queue.store.has_blockings()
        return
    assert queue.store.untold() == ([0, 1] if version >= 10 else [0])
    assert [queue.job(number).state for number in (20, 21, 22)] == ["held", "waiting", "waiting"]
    queue.ledger.on_ended("2.1", {"reason": "exit", "exit": 0, "at": 4.0})
    queue.ledger.work(4.0)
    assert [queue.job(number).state for number in (20, 21, 22)] == ["held", "queued", "waiting"]
    queue.ledger.work(5.0)
    queue.ledger.commit()
    assert (queue.store.untold(), queue.store.has_blockings()) == ([], False)
    assert queue.job(22).state == "queued"
    assert queue.ask("release", jobs=[[20, 20]])["changed"] == [(20, 20)]


def test_keys_and_what_is_owed_are_still_known(queue: Queue, version: int) -> None:
    assert queue.store.submit("k/0") == (DIGEST, 4, 2)
    assert HookList(queue.store).first(9, []) == ([Owed(5, "on_finish", 0)] if version >= 4 else [])


def test_what_was_on_its_way_is_so_still_and_comes_back(queue: Queue, version: int) -> None:
    open_moves = queue.ask("moves")["moves"]
    if version < 7:
        assert open_moves == []
        return
    assert [(one["key"], one["target"], one["size"]) for one in open_moves] == [("k/0", "there", 1)]
    assert queue.ask("back", key="k/0")["changed"] == [(24, 24)]
    assert (queue.job(24).state, queue.job(24).via) == ("queued", "any")


def test_it_is_the_newest_schema_from_the_first_commit_on(queue: Queue, tmp_path: Path) -> None:
    queue.submit("new")
    queue.ledger.commit()
    queue.store.close()
    again = Store(str(tmp_path / "jobs.db"))
    assert Ledger(again).next_id > 20
    assert json.loads(again.meta("counts") or "{}")["succeeded"] == 1
    again.close()
    database = sqlite3.connect(tmp_path / "jobs.db")
    assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
