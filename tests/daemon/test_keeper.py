"""A real keeper with a real manager, told things that nobody should tell it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from sjs.daemon.ground import launch
from sjs.daemon.ground.places import Places
from tests.live.machine import DEADLINE, Machine, running, until, wait_for_end
from tests.live.trees import Tree


def connect(machine: Machine) -> socket.socket:
    connection = launch.connect(Places(str(machine.root), "jobs.pipe", str(machine.state)))
    connection.settimeout(DEADLINE)
    return connection


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> object:
    with running(tmp_path_factory.mktemp("keeper") / "m") as one:
        yield one


@pytest.mark.parametrize("said", [b"hello\n", b"[]\n", b"[" * 3000 + b"\n", b"x" * 10_000, b"\0\n"])
def test_nonsense_at_its_socket_is_hung_up_on(machine: Machine, said: bytes) -> None:
    keeper = machine.keeper_pid
    with connect(machine) as connection:
        connection.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    assert machine.keeper_pid == keeper
    os.kill(keeper, 0)


@pytest.mark.parametrize("wish", [{}, {"do": "dance"}, {"do": "start", "max": [1]}, {"do": "start", "max": "x\0"}])
def test_a_strange_wish_changes_nothing(machine: Machine, wish: dict[str, object]) -> None:
    manager = machine.manager_pid
    with connect(machine) as connection:
        connection.sendall(json.dumps(wish).encode() + b'\n{"do": "start"}\n')
        answer = json.loads(connection.makefile("rb").readline())
    assert (answer["event"], answer["pid"]) == ("running", manager)


def test_a_crowd_at_its_socket_is_turned_away_and_forgotten(machine: Machine) -> None:
    with connect(machine) as connection:
        connection.sendall(b'{"do": "start"}\n')
        connection.recv(1)
        before = descriptors(machine.keeper_pid)
        crowd = [connect(machine) for _ in range(100)]
        assert crowd[-1].recv(1) == b""
        for one in crowd:
            one.close()
        until(lambda: descriptors(machine.keeper_pid) <= before, "as few descriptors as before")


def test_deaths_of_the_manager_cost_no_descriptor(machine: Machine) -> None:
    most = 0
    for number in range(4):
        old = machine.kill_manager()
        until(lambda old=old: _is_up(machine, old), "the next manager")  # type: ignore[misc]
        with machine.client() as client:
            assert client.hello["pid"] != old
        most = most if number else descriptors(machine.keeper_pid)
    until(lambda: descriptors(machine.keeper_pid) <= most, "as few descriptors as after the first")


def _is_up(machine: Machine, old: int) -> bool:
    try:
        return machine.manager_pid != old
    except (IndexError, ValueError):
        return False


def test_a_manager_that_cannot_start_again_is_not_started_in_circles(tmp_path: Path) -> None:
    """Restarts slow down; the keeper and its jobs live on, and once the fault is gone all goes on."""
    with running(tmp_path / "m") as machine:
        with machine.client() as client:
            client.submit("sleep 600")
        keeper, manager, lock = machine.keeper_pid, machine.manager_pid, machine.state / "manager.lock"
        lock.unlink()
        lock.mkdir()
        os.kill(manager, signal.SIGKILL)
        until(lambda: machine.log().count("starting it again in") >= 2, "a pause between restarts")
        assert machine.keeper_pid == keeper
        lock.rmdir()
        with machine.client() as client:
            assert client.ask("report")["running"] == 1


def test_a_start_that_comes_while_it_stops_is_a_start(tmp_path: Path) -> None:
    with running(tmp_path / "m") as machine:
        for _ in range(3):
            with machine.client() as client:
                client.submit("sleep 600")
                client.ask("stop")
                with machine.client("restart=") as again:
                    assert again.hello["pid"] != client.hello["pid"]
        assert not (machine.state / "stopped").exists()


def test_a_manager_that_took_over_gives_its_jobs_nothing_of_its_own(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        check_that_jobs_of_a_heir_get_nothing_of_its_own(tmp_path)
    finally:
        os.umask(umask)


def check_that_jobs_of_a_heir_get_nothing_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path / "m") as machine:
        old = machine.keeper_pid
        os.kill(old, signal.SIGKILL)
        with machine.client("start=") as client:
            client.run("ls -l /proc/self/fd", "umask")
            listed = client.output(0).decode()
            assert client.output(1) == b"0027\n"
        assert machine.keeper_pid != old
    assert [line.split()[8] for line in listed.splitlines()[1:]] == ["0", "1", "2", "3"]  # 3 is the folder itself


def test_a_manager_that_the_machine_cannot_start_now_is_started_later(tmp_path: Path) -> None:
    """Out of processes or descriptors: the first start is refused in one line, a later one is tried again."""
    tree = Tree(tmp_path / "tree", "1.0")
    full = tmp_path / "full"
    refusal = f"        if os.path.exists({str(full)!r}):\n            raise BlockingIOError(11, 'no process left')\n"
    first = "        ours, theirs = socket.socketpair()\n"
    tree.edit("keeper/manager_process.py", first, refusal + first)
    full.touch()
    machine = Machine(tmp_path / "m", daemon=tree.daemon)
    machine.root.mkdir()
    done = tree.job_manager(machine, "--background")
    assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
    assert "no process left" in done.stderr
    full.unlink()
    with running(machine.root, daemon=tree.daemon) as machine:
        with machine.client() as client:
            client.submit("while [ ! -e gate ]; do sleep 0.1; done; exit 6")
        full.touch()
        keeper = machine.keeper_pid
        machine.kill_manager()
        until(lambda: machine.log().count("no process left); starting it again in") >= 2, "two refusals with a pause")
        full.unlink()
        (machine.root / "gate").touch()
        with machine.client() as client:
            assert client.ask("wait", jobs=[[0, 0]])["job"]["exit"] == 6
        assert machine.keeper_pid == keeper


def test_it_begins_where_a_job_has_ended_while_there_was_none(tmp_path: Path) -> None:
    with running(tmp_path, 1) as machine:
        with machine.client() as client:
            client.submit("echo $$ > pid; exec sleep 600")
            until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "", "the job")
        machine.kill_both()
        job = int((tmp_path / "pid").read_text())
        os.kill(job, signal.SIGKILL)
        wait_for_end(job)
        machine.start()
        with machine.client() as client:
            client.ask("wait", jobs=None)
        assert "Traceback" not in machine.log()


def test_a_second_one_ends_in_peace_though_nobody_waits_to_hear_of_it(machine: Machine) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    names = (str(machine.root), "jobs.pipe", str(machine.state), "-")
    done = subprocess.run([*machine.program, "keep", str(writing), *names], pass_fds=[writing], timeout=DEADLINE)
    os.close(writing)
    assert done.returncode == 0
    assert "nobody waited for the start to finish: busy" in machine.log()
