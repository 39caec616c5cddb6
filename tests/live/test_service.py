"""Starting, stopping, joining, reading without a manager, following an output."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

from tests.live.machine import DEADLINE, Machine, running, sessions, until, wait_for_end


def test_stop_keeps_what_waits_and_what_runs(tmp_path: Path) -> None:
    with running(tmp_path, 1) as machine:
        with machine.client() as client:
            os.mkfifo(tmp_path / "gate")
            client.submit("echo up > up; read line < gate; echo done; exit 5", "echo second")
            until((tmp_path / "up").exists, "the first job")
            reply = client.ask("stop")
            assert (reply["running"], reply["queued"]) == (1, 1)
        until(lambda: not Path(f"/proc/{machine.manager_pid}").exists(), "the end of the manager")
        (tmp_path / "gate").write_text("go\n")
        wait_for_end(machine.keeper_pid)
        with machine.client() as client:
            assert "manager" not in client.hello
            assert client.ask("list")["jobs"][1]["state"] == "queued"
            assert client.ask("submit", key="x/0", jobs=[{"command": "true"}])["error"]["code"] == "stopping"
        machine.start()
        with machine.client() as client:
            client.ask("wait")
            records = client.ask("list")["jobs"]
            assert [(one["state"], one["exit"]) for one in records] == [("failed", 5), ("succeeded", 0)]
            assert client.output(0) == b"done\n"


def test_a_new_manager_joins_a_keeper_that_waits_for_its_jobs(tmp_path: Path) -> None:
    with running(tmp_path, 1) as machine:
        with machine.client() as client:
            os.mkfifo(tmp_path / "gate")
            client.submit("echo up > up; read line < gate; exit 5")
            until((tmp_path / "up").exists, "the job")
            client.ask("stop")
        wait_for_end(machine.manager_pid)
        keeper = machine.keeper_pid
        machine.start(3)
        assert machine.keeper_pid == keeper
        with machine.client() as client:
            report = client.ask("report")
            assert (report["running"], report["max"]) == (1, 3)
            (tmp_path / "gate").write_text("go\n")
            assert client.ask("wait", jobs=[[0, 0]])["job"]["exit"] == 5


def test_stop_with_kill_ends_the_jobs(tmp_path: Path) -> None:
    with running(tmp_path, 2) as machine:
        with machine.client() as client:
            client.submit("sleep 60", "sleep 60", "true")
            client.ask("stop", kill=True)
        wait_for_end(machine.keeper_pid)
        with machine.client() as client:
            states = [one["state"] for one in client.ask("list")["jobs"]]
        machine.start()
        with machine.client() as client:
            client.ask("wait")
            after = [one["state"] for one in client.ask("list")["jobs"]]
    assert states[2] == "queued"
    assert after == ["cancelled", "cancelled", "succeeded"]


def test_a_stopped_manager_is_not_started_by_the_way(machine: Machine) -> None:
    with machine.client() as client:
        client.ask("stop")
    wait_for_end(machine.keeper_pid)
    with machine.client("start=2") as client:
        assert client.refused["code"] == "stopped"
    with machine.client("restart=2") as client:
        assert client.ask("report")["max"] == 2


def test_one_that_was_stopped_stays_so_when_the_machine_starts(machine: Machine) -> None:
    keeper, at_boot = machine.keeper_pid, ["--background", "--unless-stopped"]
    with machine.client() as client:
        client.ask("stop")
    wait_for_end(keeper)
    command = [*machine.program, "job_manager", "--root", str(machine.root), *at_boot]
    done = subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)
    assert (done.returncode, done.stderr.count("was stopped on purpose, and stays so")) == (0, 1)
    assert machine.keeper_pid == keeper, "nobody has come after it"
    (machine.state / "stopped").unlink()
    assert subprocess.run(command, capture_output=True, timeout=DEADLINE).returncode == 0
    assert machine.keeper_pid != keeper


def test_ask_starts_a_manager_that_is_missing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.client() as client:
        assert client.refused["code"] == "no_queue"
    try:
        with machine.client("start=3") as client:
            assert client.ask("report")["max"] == 3
    finally:
        machine.stop()


def test_twenty_starts_at_once_make_one_manager(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    command = [*machine.program, "job_manager", "--background", "--root", str(tmp_path), "--max-jobs-running", "1"]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(20)]
    told = [(one.communicate(timeout=DEADLINE)[1], one.returncode) for one in starts]
    try:
        pid = machine.manager_pid
        assert sorted(status for _, status in told) == [0] + [75] * 19, told
        refusals = [text for text, status in told if status == 75]
        assert all(f"host {os.uname().nodename}, pid {pid}" in text for text in refusals), refusals
        assert all(text.count("\n") == 1 for text, _ in told)
    finally:
        machine.stop()


def test_the_foreground_is_stopped_by_ctrl_c_and_leaves_jobs_running(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    command = [*machine.program, "job_manager", "--root", str(tmp_path), "--max-jobs-running", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as terminal:
        assert terminal.stderr is not None
        assert "reads" in terminal.stderr.readline()
        assert "Ctrl-C" in terminal.stderr.readline()
        os.mkfifo(tmp_path / "gate")
        with machine.client() as client:
            client.submit("echo up > up; read line < gate; exit 4")
            until((tmp_path / "up").exists, "the job")
        os.killpg(terminal.pid, signal.SIGINT)
        assert terminal.stderr.readline() == "job_manager: stopped; 1 job(s) go on\n"
        assert terminal.wait(DEADLINE) == 0
    (tmp_path / "gate").write_text("go\n")
    wait_for_end(machine.keeper_pid)
    with machine.client() as client:
        assert client.ask("list")["jobs"][0]["exit"] == 4


def test_killing_the_foreground_stops_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    command = [*machine.program, "job_manager", "--root", str(tmp_path), "--max-jobs-running", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as terminal:
        assert terminal.stderr is not None
        terminal.stderr.readline()
        terminal.kill()
    try:
        with machine.client() as client:
            assert client.run("exit 2")[0]["exit"] == 2
    finally:
        machine.stop()


def test_follow_sends_what_comes_until_the_end(machine: Machine) -> None:
    os.mkfifo(machine.root / "gate")
    job = "echo first; echo wrong >&2; while read line && [ $line != end ]; do echo $line; done < gate; exit 9"
    with machine.client() as client:
        client.submit(job)
        number = client.send("read", job=0, stream="out", follow=True)
        assert client.reply(number)["data"] == b"first\n"
        gate = os.open(machine.root / "gate", os.O_RDWR)
        for word in (b"one\n", b"two\n"):
            os.write(gate, word)
            assert client.reply(number)["data"] == word
        os.write(gate, b"end\n")
        last = client.reply(number)
        os.close(gate)
        assert (last["end"]["exit"], last["offset"]) == (9, len(b"first\none\ntwo\n"))
        assert client.output(0, "err", follow=True) == b"wrong\n"
        assert client.output(0, lines=2) == b"one\ntwo\n"


def test_follow_waits_for_a_job_that_is_queued(machine: Machine) -> None:
    with machine.client() as client:
        client.ask("configure", max_jobs=0)
        client.submit("echo late")
        number = client.send("read", job=0, stream="out", follow=True)
        client.ask("configure", max_jobs=1)
        assert client.reply(number)["data"] == b"late\n"
        assert client.reply(number)["end"]["state"] == "succeeded"


def test_a_vanished_client_leaves_nothing(machine: Machine) -> None:
    """Fifty clients that die while they wait: no descriptor and no pipe of theirs is left."""
    manager = machine.manager_pid
    for _ in range(50):
        client = machine.client()
        client.submit("true")
        client.send("wait", jobs=None)
        client._process.kill()
        client.close()
    until(lambda: not sessions(manager), "closed descriptors")
    assert list((machine.state / "sessions").iterdir()) == []
    assert machine.manager_pid == manager


def test_many_clients_at_once(machine: Machine) -> None:
    counts: list[int] = []

    def one() -> None:
        with machine.client() as client:
            counts.append(len(client.run(*["true"] * 5)))

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert counts == [5] * 16
