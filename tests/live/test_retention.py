"""Many old jobs are cleaned away while others run. SJS_TEST_ROUNDS=1000 makes it a million;
then `-o faulthandler_timeout=0` is needed, too, for it takes longer than a test may."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from tests.live.machine import DEADLINE, Client, Machine, until

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "3"))
OLD = 500 * ROUNDS
KEPT = 20


def grow_old(machine: Machine, count: int) -> None:
    """Give a stopped queue so many jobs that ended a year ago, each with an output and a key."""
    database = sqlite3.connect(machine.state / "jobs.db")
    then = time.time() - 366 * 86_400
    first = database.execute("SELECT count(*) FROM jobs").fetchone()[0]
    with database:
        database.executemany(
            "INSERT INTO jobs (id, state, spec, submitted, attempt, started, ended, reason, exit)"
            " VALUES (?, 'succeeded', ?, ?, 1, ?, ?, 'exit', 0)",
            ((n, '{"command":"true"}', then, then, then) for n in range(first, first + count)),
        )
        database.executemany(
            "INSERT INTO submits VALUES (?, '', ?, 1, ?)", ((f"old/{n}", n, then) for n in range(first, first + count))
        )
        database.execute(
            "UPDATE meta SET value = json_set(value, '$.succeeded', json_extract(value, '$.succeeded') + ?)"
            " WHERE key = 'counts'",
            (count,),
        )
    database.close()
    for number in range(first, first + count):
        folder = machine.state / "jobs" / str(number // 1000)
        if number % 1000 == 0:
            folder.mkdir(exist_ok=True)
        (folder / f"{number}.out").write_bytes(b"old\n")


def run_until(client: Client, machine: Machine, gone: Path) -> int:
    """Run jobs one after the other until the folder is gone; how many that were."""
    ran = 0
    while gone.exists():
        (record,) = client.run("echo new")
        assert record["state"] == "succeeded"
        ran += 1
    return ran


def test_old_jobs_go_while_others_run(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    with machine.client() as client:
        client.run("echo first")
    machine.stop()
    grow_old(machine, OLD)
    size = (machine.state / "jobs.db").stat().st_size
    machine.start()
    began = time.monotonic()
    last = machine.state / "jobs" / str((OLD - 1) // 1000)
    with machine.client() as client:
        ran = run_until(client, machine, last / f"{OLD - 1}.out")
        outputs = time.monotonic() - began
        worst = client.ask("report")["longest_turn"]
        number = client.send("read", job=5, stream="out")
        assert "was removed" in client.reply(number)["error"]["message"]
        assert client.output(0) == b"first\n"
        while ran < KEPT:  # so that none of the old ones is among those to be kept
            client.run("echo new")
            ran += 1
        client.ask("configure", keep_jobs=KEPT)
        while client.ask("report")["removed"] < 1 + OLD:
            assert client.run("echo new")[0]["state"] == "succeeded"
            ran += 1
            assert time.monotonic() - began < DEADLINE * ROUNDS
        until(lambda: keys(machine) == 0, "old keys gone, which are the last to go", DEADLINE * ROUNDS)
        report = client.ask("report")
        records = client.ask("list", limit=1000)["jobs"]
    assert len(records) in range(KEPT, KEPT + 3), "those that ended since are not counted until the next hour"
    assert report["counts"]["succeeded"] == 1 + OLD + ran
    assert ran > 1, "jobs ran meanwhile"
    with capsys.disabled():
        print(f"\n{OLD} old jobs, database {size >> 10} kB, {ran} jobs ran meanwhile")
        print(f"outputs gone in {outputs:.1f} s, longest turn {worst * 1000:.1f} ms")
        both = time.monotonic() - began
        print(f"records, too, in {both:.1f} s, longest turn {report['longest_turn'] * 1000:.1f} ms")


def keys(machine: Machine) -> int:
    with machine.client() as asking:
        return len(asking.ask("lookup", key="old")["parts"])
