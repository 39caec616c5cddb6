"""What a job costs that does nothing, counted: it must not grow."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sjs import wire
from tests.counts.bounds import A_JOB
from tests.daemon.test_loop import Desk
from tests.live.machine import Machine, running, until
from tests.live.strace import needed

JOBS = 60
"""So many that what comes once, or by chance, is less than one a job."""

VALUE = re.compile(r"(?<== )(\d[\d.]*|'[^']*')|(?<=VALUES ).*")

BEGUN = re.compile(r"^(\d+) +(\w+)\(", re.M)
"""The process and the name of a call, in strace's lines: what is resumed is not begun."""


@needed
def test_system_calls_of_a_job(tmp_path: Path) -> None:
    with running(tmp_path / "machine", 2) as machine:
        calls = traced_calls(machine, tmp_path)
        keeper, manager = machine.keeper_pid, machine.manager_pid
    by_manager = Counter(name for pid, name in calls["manager"] if pid == manager)
    by_keeper = Counter(name for pid, name in calls["keeper"] if pid == keeper)
    found = {
        "keeper": by_keeper.total() / JOBS,
        "keeper for the job, before it is executed": sum(before_execution(calls["keeper"], keeper)) / JOBS,
        "manager": by_manager.total() / JOBS,
        "fdatasync": by_manager["fdatasync"] / JOBS,
    }
    print(found, by_keeper.most_common(), by_manager.most_common(), sep="\n")
    check(found)


def test_statements_of_a_job(tmp_path: Path) -> None:
    """Of the manager's database, a trigger as one more; and what the keeper is told."""
    desk = Desk(tmp_path, granted=[])
    try:
        desk.connect()
        desk.orders()
        desk.manager._ledger.configure(0)
        taking = count_statements(desk)
        desk.send({"op": "submit", "id": 1, "jobs": [{"command": "true"}] * JOBS})
        desk.turn()
        running_them = count_statements(desk)
        desk.manager._ledger.configure(2)
        told = run_all(desk)
    finally:
        desk.close()
    found = {
        "statements to take it in": taking.total() / JOBS,
        "statements to run it": running_them.total() / JOBS,
        "bytes to the keeper": told / JOBS,
    }
    print(found, taking.most_common(), running_them.most_common(), sep="\n")
    check(found)


def count_statements(desk: Desk) -> Counter[str]:
    """What the database is told from now on, whatever the values."""
    statements: Counter[str] = Counter()
    desk.manager._store._db.set_trace_callback(lambda text: statements.update([VALUE.sub("?", text)]))
    return statements


def run_all(desk: Desk) -> int:
    """Be the keeper of a queue: start what is ordered; of those that are granted start half, each where one ends,
    before the manager hears of any of it. How many bytes the keeper was told."""
    root = desk.where.root.encode()  # which is longer here and shorter there
    told = ended = 0
    alive: list[str] = []
    granted: list[str] = []
    while ended < JOBS:
        desk.turn()
        for order in desk.orders():
            told += len(wire.encode(order).replace(root, b""))
            granted += [one["tag"] for one in order.get("starts", ())]
            if order["do"] == "start":
                start(desk, order["tag"], alive)
        assert alive, "nothing runs, and nothing is started"
        heirs = granted[: (len(granted) + 1) // 2]
        del granted[: len(heirs)]
        for heir in heirs or [""]:
            end: dict[str, Any] = {"reason": "exit", "exit": 0, "at": 5.0, "usage": {"seconds": 0.001}}
            desk.say(on="ended", tag=alive.pop(0), end=end, **({"next": heir, "slot": 0} if heir else {}))
            ended += 1
            if heir:
                start(desk, heir, alive)
    return told


def start(desk: Desk, tag: str, alive: list[str]) -> None:
    desk.say(on="started", tag=tag, pid=1000, at=4.0)
    alive.append(tag)


def traced_calls(machine: Machine, folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Which process began which call, while so many jobs start and end."""
    logs = {"keeper": folder / "keeper", "manager": folder / "manager"}
    with machine.client() as client:
        client.ask("drain")
        first = client.ask("submit", key=None, jobs=[{"command": "true"}] * JOBS)["first"]
        with tracing(machine.keeper_pid, logs["keeper"]), tracing(machine.manager_pid, logs["manager"]):
            client.ask("undrain")
            counts = client.ask("wait", jobs=[[first, first + JOBS - 1]])["counts"]
    assert counts == {"succeeded": JOBS}
    return {who: [(int(pid), name) for pid, name in BEGUN.findall(log.read_text())] for who, log in logs.items()}


@contextlib.contextmanager
def tracing(pid: int, log: Path) -> Iterator[None]:
    """Meanwhile each call of the process and its children is a line."""
    with subprocess.Popen(["strace", "-f", "-qq", "-o", str(log), "-e", "signal=none", "-p", str(pid)]) as tracer:
        until(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text(), "the tracer")
        try:
            yield
        finally:
            tracer.terminate()


def before_execution(calls: list[tuple[int, str]], keeper: int) -> list[int]:
    """How many calls each child makes until it is the job, that one among them."""
    children: dict[int, list[str]] = {}
    for pid, name in calls:
        if pid != keeper:
            children.setdefault(pid, []).append(name)
    return [names.index("execve") + 1 for names in children.values() if "execve" in names]


def check(found: dict[str, float]) -> None:
    """Nothing costs more than it may."""
    assert {what: value for what, value in found.items() if value > A_JOB[what]} == {}
