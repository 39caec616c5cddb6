"""Jobs that would stop the queue: rows that cannot be read, and one whose start brings each manager down."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sjs.daemon.queue.setbacks import MAX_SETBACKS
from tests.live.machine import Machine
from tests.live.trees import shipped

PLANTED = """

def planted(where, ledger, store, action, real=keeper_order):
    if isinstance(action, Start) and "poison" in (action.job.spec.command or ""):
        raise RuntimeError("planted")
    return real(where, ledger, store, action)


keeper_order = planted
"""


def test_rows_that_cannot_be_read_do_not_stop_the_queue(machine: Machine) -> None:
    with machine.client() as client:
        client.ask("configure", max_jobs=0)
        client.submit(*[f"echo {number} >> ran" for number in range(6)])
    machine.stop()
    with sqlite3.connect(machine.state / "jobs.db") as rows:
        rows.execute("""UPDATE jobs SET spec = '{"command":' WHERE id = 0""")
        rows.execute("UPDATE jobs SET state = 'limbo' WHERE id = 2")
        rows.execute("UPDATE jobs SET spec = CAST(x'ff00fe' AS TEXT) WHERE id = 3")
    rows.close()
    machine.start(2)
    with machine.client() as client:
        assert client.ask("wait", jobs=None)["counts"] == {"succeeded": 3, "failed": 3}
        records = client.ask("list")["jobs"]
        assert client.ask("report")["queued"] == 0
    assert [one["id"] for one in records if one["reason"] == "spawn-error"] == [0, 2, 3]
    assert all(one["detail"].startswith("its record cannot be read: ") for one in records if one["state"] == "failed")
    assert sorted((machine.root / "ran").read_text().split()) == ["1", "4", "5"]
    assert [f"job {number} is set aside" in machine.log() for number in range(6)] == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]


def test_a_job_that_brings_its_manager_down_is_set_aside(tmp_path: Path) -> None:
    """The fault is planted in a copy of the code, as in a version of it that has one."""
    shipped(tmp_path)
    with open(tmp_path / "sjs" / "daemon" / "manager" / "loop.py", "a") as source:
        source.write(PLANTED)
    machine = Machine(tmp_path / "machine")
    machine.root.mkdir()
    machine.program = [sys.executable, "-I", "-S", str(tmp_path / "sjs" / "daemon")]
    try:
        machine.start(4)
        commands = ("true", "poison", "true", "true")
        ask_again(machine, "submit", key="k", jobs=[{"command": text} for text in commands])
        counts = ask_again(machine, "wait", jobs=None)["counts"]
        records = ask_again(machine, "list")["jobs"]
        log = machine.log()
    finally:
        machine.stop()
    assert counts == {"succeeded": 3, "failed": 1}
    assert records[1]["detail"] == "5 managers ended when they were to start it; it is set aside"
    assert log.count("RuntimeError: planted") == 5


def ask_again(machine: Machine, op: str, **fields: Any) -> dict[str, Any]:
    """The answer of the first manager that lives to give one."""
    for _ in range(2 * MAX_SETBACKS):
        with contextlib.suppress(EOFError, BrokenPipeError), machine.client() as client:
            return client.ask(op, **fields)
    raise AssertionError("no manager answers")
