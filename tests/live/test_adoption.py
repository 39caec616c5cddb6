"""kill -9 of the keeper, the job, both, or all that there is: what becomes of the job, of its tree, of its slot."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.keeper import tree
from tests.kernels import TELLS_ALL
from tests.live.machine import Machine, running, until, wait_for_end

ROUNDS = int(os.environ.get("SJS_TEST_ROUNDS", "2"))
"""Of each kind of death."""

GO = "while [ ! -e go ]; do sleep 0.05; done"
JOB = f"sleep 600 & echo $! > child; echo $$ > main; {GO}; kill %1; exit 7"

LOST = ("lost", "host-lost", None, None)
KILLED = ("failed", "signal", None, 9)
SEEN = ("failed", "exit", 7, None)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A manager with one slot: what comes next shows that it is free."""
    with running(tmp_path / "machine", 1) as one:
        yield one


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_for_end(pid)


def keeper(machine: Machine, main: int) -> set[Any]:
    old = machine.keeper_pid
    kill(old)
    machine.wait_for_another_keeper(old)
    with machine.client():
        (machine.root / "go").touch()
    return {SEEN} if TELLS_ALL else {SEEN, LOST}


def job(machine: Machine, main: int) -> set[Any]:
    kill(main)
    return {KILLED}


def both(machine: Machine, main: int) -> set[Any]:
    """The keeper may live to see the job's end, and it may not."""
    old = machine.keeper_pid
    kill(main, old)
    machine.wait_for_another_keeper(old)
    return {KILLED, LOST}


def everything(machine: Machine, main: int) -> set[Any]:
    machine.kill_both()
    kill(main)
    machine.start()
    return {KILLED, LOST}


@pytest.mark.parametrize("death", [keeper, job, both, everything])
def test_deaths(
    machine: Machine, death: Callable[[Machine, int], set[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    ends: list[Any] = []
    for _ in range(ROUNDS):
        for name in ("go", "main", "child"):
            (machine.root / name).unlink(missing_ok=True)
        with machine.client() as client:
            number = client.submit(JOB)["first"]
            main, child = read_pid(machine, "main"), read_pid(machine, "child")
        wanted = death(machine, main)
        with machine.client() as client:
            record = client.ask("wait", jobs=[[number, number]])["job"]
            assert client.run("true")[0]["state"] == "succeeded"
            assert client.ask("report")["running"] == 0
        ends.append((record["state"], record["reason"], record["exit"], record["signal"]))
        assert ends[-1] in wanted
        assert all(is_gone(pid) for pid in (main, child))
    with capsys.disabled():
        print(f"\n{death.__name__} killed {ROUNDS} times: {dict(Counter(end[0] for end in ends))}")


def read_pid(machine: Machine, name: str) -> int:
    path = machine.root / name
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"the pid of the job's {name}")
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    found = tree.stat(pid)
    return found is None or found.has_ended


def test_records_that_are_gone_do_not_make_a_job_run_beside_itself(machine: Machine) -> None:
    """Someone cleans up in the state folder while nobody runs. The job is found by its mark, and waited for."""
    command = f"echo begin.$SJS_ATTEMPT >> ran; echo $$ > main; {GO}; echo end.$SJS_ATTEMPT >> ran"
    with machine.client() as client:
        client.ask("submit", jobs=[{"command": command, "on_lost": "requeue"}])
        main = read_pid(machine, "main")
    machine.kill_both()
    for path in machine.state.glob("journal.*"):
        path.unlink()
    machine.start()
    with machine.client() as client:
        (record,) = client.ask("list")["jobs"]
        assert (record["state"], record["attempt"], record["pid"]) == ("running", 1, main)
        (machine.root / "go").touch()
        record = client.ask("wait", jobs=None)["job"]
    assert (record["state"], record["attempt"]) == ("succeeded", 2)
    assert (machine.root / "ran").read_text().split() == ["begin.1", "end.1", "begin.2", "end.2"]


def test_what_is_found_again_can_be_cancelled(machine: Machine) -> None:
    with machine.client() as client:
        client.submit(JOB)
        main, child = read_pid(machine, "main"), read_pid(machine, "child")
    machine.kill_both()
    machine.start()
    with machine.client() as client:
        assert client.ask("cancel", jobs=[[0, 0]], grace=0.2)["stopping"] == [[0, 0]]
        assert client.ask("wait", jobs=None)["job"]["state"] == "cancelled"
    assert all(is_gone(pid) for pid in (main, child))
