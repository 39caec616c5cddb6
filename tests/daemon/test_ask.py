"""`ask` with whatever may be at either of its ends."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.asking.ask import Refusal, knock
from sjs.daemon.ground.places import Places
from tests.live.machine import DAEMON, DEADLINE, Client, Machine, running, until, wait_for_end

ARGV = [sys.executable, "-I", "-S", str(DAEMON), "ask"]


def ask(header: bytes, requests: bytes = b"") -> tuple[int, list[Any]]:
    """Exit status, and what it said after its marker."""
    done = subprocess.run(ARGV, input=header + b"\n" + requests, capture_output=True, timeout=DEADLINE)
    assert done.stderr == b""
    marker, *lines = done.stdout.splitlines()
    assert marker == b"sjs 1"
    return done.returncode, [json.loads(line) for line in lines]


def header(root: Path, start: str = "-") -> bytes:
    return b"\0".join([b"sjs 1", os.fsencode(root), b"jobs.pipe", b"", start.encode()])


def refusal(root: Path, start: str = "-") -> dict[str, str]:
    status, (line,) = ask(header(root, start))
    assert status == 69
    return dict(line["error"])


@pytest.mark.parametrize(
    "garbage", [b"", b"hello", b"sjs 2\0a\0b\0\0-", b"sjs 1\0a", b"\xff\xfe", b"sjs 1\0a\0b\0c\0-\0\0more"]
)
def test_a_header_that_is_none(garbage: bytes) -> None:
    status, (line,) = ask(garbage)
    assert (status, line["error"]["code"]) == (69, "bad_request")


def test_a_queue_stays_of_the_kind_of_which_it_was_begun(tmp_path: Path) -> None:
    state = tmp_path / ".sjs" / "jobs.pipe"
    state.mkdir(parents=True)
    (state / "kind").write_text("slurm\n")
    assert "was begun as Slurm's, and can not become a machine's own" in refusal(tmp_path)["message"]
    (state / "kind").unlink()
    (state / "jobs.db").write_text("")
    status, (line,) = ask(header(tmp_path) + b"\0slurm")
    assert (status, line["error"]["code"]) == (69, "refused")
    assert "was begun as a machine's own, and can not become Slurm's" in line["error"]["message"]


def test_a_kind_that_is_not_known_is_refused(tmp_path: Path) -> None:
    status, (line,) = ask(header(tmp_path, "restart=") + b"\0pbs")
    assert (status, line["error"]["code"]) == (69, "refused")
    assert "no queue of the kind 'pbs'" in line["error"]["message"]
    assert os.listdir(tmp_path) == []


def test_where_never_was_a_manager(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert error["code"] == "no_queue"
    assert "never was one" in error["message"]
    assert os.listdir(tmp_path) == []


def test_a_door_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "jobs.pipe").write_text("precious")
    assert "not a named pipe" in refusal(tmp_path)["message"]


@pytest.fixture
def stopped(tmp_path: Path) -> Machine:
    with running(tmp_path) as machine, machine.client() as client:
        client.run("echo out; exit 3")
        client.ask("stop")
        wait_for_end(machine.keeper_pid)
    return machine


def test_the_records_can_be_read_without_a_manager(stopped: Machine) -> None:
    with stopped.client() as client:
        assert client.ask("list")["jobs"][0]["exit"] == 3
        assert client.ask("wait", jobs=[[0, 0]])["done"] is True
        assert client.output(0) == b"out\n"
        for op in ("report", "configure", "cancel", "stop", "dance"):
            error = client.ask(op)["error"]
            assert (error["code"], "stopped on purpose" in error["message"]) == ("stopped", True)


def test_without_a_manager_a_key_is_known_or_was_not_taken(tmp_path: Path) -> None:
    with running(tmp_path) as machine, machine.client() as client:
        client.submit("true", key="k/0-1")
        client.ask("wait")
        client.ask("stop")
        wait_for_end(machine.keeper_pid)
    with machine.client() as client:
        assert client.submit("true", key="k/0-1")["repeated"] is True
        assert client.ask("lookup", key="k")["parts"] == [["0-1", 0, 1]]
        for key in ("k/1-1", None):
            error = client.submit("true", key=key)["error"]
            assert (error["code"], "stopped on purpose" in error["message"]) == ("stopping", True)


def test_garbage_is_answered_without_a_manager_too(stopped: Machine) -> None:
    _, lines = ask(header(stopped.root), b"garbage\n")
    assert [next(iter(line)) for line in lines] == ["hello", "error"]


def test_what_was_stopped_is_started_only_on_purpose(stopped: Machine) -> None:
    assert refusal(stopped.root, "start=1")["code"] == "stopped"
    with stopped.client("restart=1") as client:
        assert client.ask("report")["max"] == 1
    stopped.stop()


def test_a_queue_that_cannot_be_read_is_said(stopped: Machine) -> None:
    (stopped.state / "jobs.db").write_bytes(b"this is no database" * 100)
    assert "cannot be read" in refusal(stopped.root)["message"]


def test_a_full_door_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path) as machine:
        os.kill(machine.manager_pid, 19)
        door = os.open(machine.door, os.O_WRONLY | os.O_NONBLOCK)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(door, b"x" * 4095 + b"\n")
        process = subprocess.Popen(ARGV, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(header(tmp_path) + b"\n")
        process.stdin.flush()
        until(lambda: any((machine.state / "sessions").iterdir()), "a session that waits")
        os.kill(machine.manager_pid, 18)
        out, _ = process.communicate(timeout=DEADLINE)
        os.close(door)
    assert b'{"hello":' in out


def test_what_was_asked_before_the_end_of_input_is_answered(tmp_path: Path) -> None:
    """More than a pipe holds, and then the end: as from a file."""
    job = {"op": "submit", "id": 1, "jobs": [{"command": f"true {'x' * 100_000}"}] * 8}
    with running(tmp_path, 0):
        status, lines = ask(header(tmp_path), json.dumps(job).encode() + b'\n{"op":"report","id":2}\n')
    assert (status, [line.get("id") for line in lines]) == (0, [None, 1, 2])
    assert lines[2]["queued"] == 8


def test_it_ends_with_its_client(tmp_path: Path) -> None:
    with running(tmp_path) as machine:
        client = Client(machine)
        client.submit("sleep 600")
        client.send("wait", jobs=[[0, 0]])
        process = client._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=DEADLINE)
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()


def test_nonsense_in_a_read_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as machine, machine.client() as client:
        client.run("true")
        for fields in ({"job": None}, {"job": 7}, {"job": 0, "offset": "x"}, {"job": 0, "lines": -1}):
            assert "error" in client.ask("read", **fields)
        assert client.ask("read", job=0)["offset"] == 0


@pytest.mark.parametrize("name", ["mkfifo", "open"])
def test_a_session_that_cannot_be_opened_leaves_no_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = getattr(os, name)

    def full(path: str, *more: Any) -> Any:
        if path.endswith(".out"):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), path)
        return real(path, *more)

    with running(tmp_path) as machine:
        with monkeypatch.context() as patched, pytest.raises(Refusal) as refusal:
            patched.setattr(os, name, full)
            knock(Places(str(tmp_path), "jobs.pipe"), "-", 0.0)
        message = f"no session can be opened in {machine.state}/sessions: Disk quota exceeded"
        assert refusal.value.args == ("unreachable", message, "free some there")
        assert os.listdir(machine.state / "sessions") == []
