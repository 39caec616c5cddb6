"""Too few descriptors or processes: jobs wait, clients are told, manager and keeper live."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import Machine, until
from tests.live.trees import shipped

USER = 61_234
"""Somebody who has no other processes."""

SLOTS = 6
JOBS = 30


@contextlib.contextmanager
def limited(machine: Machine, kind: int, most: int) -> Iterator[Machine]:
    """A manager that was started with a limit."""
    try:
        machine.start(SLOTS, preexec_fn=lambda: resource.setrlimit(kind, (most, most)))
        yield machine
    finally:
        machine.stop()


def test_clients_are_told_when_descriptors_run_out(tmp_path: Path) -> None:
    with limited(Machine(tmp_path), resource.RLIMIT_NOFILE, 48) as machine, contextlib.ExitStack() as stack:
        processes = (machine.keeper_pid, machine.manager_pid)
        clients = [stack.enter_context(machine.client()) for _ in range(12)]
        served = [one for one in clients if one.refused is None]
        refused = [one.refused for one in clients if one.refused is not None]
        assert len(served) == (48 - 32) // 2
        assert {one["code"] for one in refused} == {"not_reached"}
        assert "no descriptor left" in refused[0]["message"]
        assert [one["exit"] for one in served[0].run(*["exit 3"] * 20)] == [3] * 20
        for one in served[1:]:
            one.close()
        until(lambda: is_served(machine), "room for a client")
        assert (machine.keeper_pid, machine.manager_pid) == processes


def is_served(machine: Machine) -> bool:
    with machine.client() as client:
        return client.refused is None


@pytest.fixture
def somebody() -> Iterator[Machine]:
    """A folder of somebody whom the limit binds (root is exempt), and sjs where that one can read it."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        shipped(Path(name))
        home = Path(name, "home")
        home.mkdir()
        os.chown(home, USER, USER)
        machine = Machine(home)
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        machine.program = [*user, "/usr/bin/python3", "-I", "-S", f"{name}/sjs/daemon"]
        yield machine


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None or not os.path.exists("/usr/bin/python3"),
    reason="needs root, to become somebody who has no other processes, and a Python that everybody can run",
)
def test_jobs_wait_when_processes_run_out(somebody: Machine) -> None:
    with limited(somebody, resource.RLIMIT_NPROC, 5) as machine, machine.client() as client:
        processes = (machine.keeper_pid, machine.manager_pid)
        first = client.ask("submit", jobs=[{"argv": ["/bin/sleep", "0.1"]}] * JOBS)["first"]
        client.ask("wait", jobs=[[first, first + JOBS - 1]])
        jobs = client.ask("list")["jobs"]
        assert [(one["exit"], one["attempt"]) for one in jobs] == [(0, 1)] * JOBS
        assert client.ask("report")["trouble"] == ""
        assert (machine.keeper_pid, machine.manager_pid) == processes
    assert "nothing can be started: cannot run /bin/sleep: Resource temporarily unavailable" in machine.log()
