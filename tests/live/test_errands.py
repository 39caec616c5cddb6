"""What machines are asked besides their queues."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from pathlib import Path

import pytest

from sjs import wire
from sjs.answers import Exit, Piece
from sjs.errors import BadRequest, LinkLost, Refused, UnknownRequest
from sjs.reach import here
from sjs.targets.machine import DistantMachine
from sjs.targets.session import Door, open_session, soon
from sjs.transport.local import LocalTransport
from tests.live.inside import Insider
from tests.live.machine import DEADLINE, Machine, until, wait_for_end
from tests.live.test_cli import Person


def door(root: Path) -> Door:
    return Door(here("errand"), str(root), "jobs.pipe")


@pytest.fixture
def fleet(machine: Machine, tmp_path: Path) -> Person:
    """Somebody with a manager m, a machine `bare` without one, and one that is not there."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "bare").mkdir()
    person = Insider(home, machine)
    with (home / "config.yaml").open("a") as config:
        config.write(f"  bare: {{transport: local, project_root: {home}/bare}}\n")
        config.write("  away: {host: 127.0.0.1, port: 1, user: x, project_root: /x}\n")
    return person


def test_all_machines_are_in_one_table(fleet: Person) -> None:
    done = fleet.types("all hosts")
    head, m, bare, away = done.stdout.decode().splitlines()
    assert head.split("  ")[0] == "TARGET"
    assert re.match(r"m +up +- +0/\d+ +\d+ +\d+\.\d +\d.*/\d.* +\d+ +\d\S+ +\d+ ms +3\.\S+ +\S", m)
    assert re.match(r"bare +no manager +- ", bare)
    assert re.match(r"away +away( +-){10}$", away)
    assert (done.returncode, b"[away] error: " in done.stderr) == (255, True)
    assert not (fleet.home / "bare" / ".sjs").exists(), "looking leaves nothing behind"


def test_what_a_program_reads_of_them(fleet: Person) -> None:
    fleet.types("m drain")
    m, bare = map(json.loads, fleet.types("m,bare hosts --json").stdout.splitlines())
    assert (m["state"], m["jobs_running"], bare["state"]) == ("drained", 0, "no manager")
    assert bare["cpus"] >= 1 and 0 < bare["mem_free"] <= bare["mem"]
    assert 0 < bare["disk"]["free"] <= bare["disk"]["size"]
    assert 0 <= bare["delay"] < DEADLINE and abs(bare["ahead"]) < DEADLINE


def test_a_command_is_run_there_and_seen_here(fleet: Person) -> None:
    done = fleet.types("bare run --command 'pwd; echo no >&2; printf \"\\0\\377\"; exit 7'")
    assert (done.stdout, done.stderr, done.returncode) == (f"{fleet.home}/bare\n".encode() + b"\0\xff", b"no\n", 7)
    assert fleet.types("force bare -- sh -c 'kill -9 $$'").returncode == 128 + signal.SIGKILL


def test_lines_of_several_machines_are_told_apart(fleet: Person) -> None:
    done = fleet.types("m,bare run --command 'echo one; printf two; test -e nothing'")
    assert sorted(done.stdout.splitlines()) == [b"[bare] one", b"[bare] two", b"[m] one", b"[m] two"]
    assert sorted(done.stderr.splitlines()) == [b"[bare] exit status 1", b"[m] exit status 1"]
    assert done.returncode == 2, "so many"
    lines = [json.loads(line) for line in fleet.types("bare run --json -- echo hi").stdout.splitlines()]
    assert lines == [
        {"target": "bare", "stream": "out", "line": "hi"},
        {"target": "bare", "exit": 0, "signal": None},
    ]


def test_only_where_nothing_runs(fleet: Person) -> None:
    fleet.types("m job --command 'sleep 60'")
    until(lambda: fleet.job(0)["state"] == "running", "the job's start")
    done = fleet.types("m,bare run --when-idle -- touch ran")
    assert (done.returncode, b"[m] error: 1 job(s) running" in done.stderr) == (1, True)
    assert (fleet.home / "bare" / "ran").exists()
    assert fleet.types("m run -- true").returncode == 0


def test_who_goes_away_takes_the_command_along(fleet: Person) -> None:
    trap = "trap 'echo ended > ended; exit' TERM; echo $$; while :; do sleep 0.1; done"
    with fleet.begins(f"bare run -- sh -c {shlex.quote(trap)}") as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    wait_for_end(pid)
    until(lambda: (fleet.home / "bare" / "ended").exists(), "what it does when it is asked to end")


def test_one_session_is_enough_for_many_errands(tmp_path: Path) -> None:
    machine = DistantMachine(LocalTransport(), door(tmp_path))
    assert machine.facts().python.startswith("3.")
    assert list(machine.run(["echo", "1"])) == [Piece("out", b"1\n"), Exit(0)]
    with pytest.raises(Refused, match="cannot run ./none"):
        list(machine.run(["./none"]))
    assert list(machine.run(["sh", "-c", "exit 3"])) == [Exit(3)]
    machine.close()


def test_what_is_no_errand_is_refused(tmp_path: Path) -> None:
    session = open_session(LocalTransport(), door(tmp_path))
    with pytest.raises(UnknownRequest, match="no such errand: 'dance'"):
        session.call("dance")
    with pytest.raises(Refused, match="'argv' must be a list"):
        session.call("run", argv="ls")
    session.close()


def test_bytes_that_nobody_wants_are_no_requests(tmp_path: Path) -> None:
    session = open_session(LocalTransport(), door(tmp_path))
    payload = (b'{"op": "dance", "id": 1}\n' * wire.MAX_FRAME)[: wire.MAX_FRAME]
    numbers = [session.post("dance", payload), session.post("time", b"0"), session.post("time")]
    with pytest.raises(UnknownRequest):
        session.reply(numbers[0])
    assert all(session.reply(number)["time"] > 0 for number in numbers[1:])
    session.close()


def test_what_makes_no_sense_is_refused_and_the_next_is_heard(tmp_path: Path) -> None:
    session = open_session(LocalTransport(), door(tmp_path))
    piece = ["x", 0o600, 2, 0, 0, 2, True]
    for op, fields in (
        ("lay", {"at": "a\0b", "entries": []}),
        ("lay", {"at": "\ud800", "entries": []}),
        ("lay", {"at": "data", "entries": None}),
        ("lay", {"at": "data", "entries": [["../x", "f", 0, 0, 0, ""]]}),
        ("put", {"at": "data", "pieces": [piece]}),
        ("head", {"at": "data", "file": None}),
        ("remove", {"at": "data", "paths": [""]}),
        ("remove", {"at": "data", "paths": ["nothing"]}),
        ("tree", {"at": "/nowhere", "globs": ["*"]}),
        ("tree", {"at": ".", "globs": ["/*"]}),
        ("get", {"at": ".", "pieces": []}),
        ("get", {"at": ".", "pieces": [["x", 0, 1 << 40, 0, 0, 1 << 20, True]]}),
        ("digest", {"at": ".", "path": "..", "offset": 0, "count": 1}),
        ("outputs", {"attempts": [["0", 1]]}),
    ):
        with pytest.raises(Refused):
            session.call(op, **fields)
    assert session.call("get", at=".", pieces=[piece])["found"] == ["No such file or directory"]
    session.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [-1, wire.MAX_FRAME + 1, "1", True])
def test_bytes_that_cannot_be_counted_end_the_session(tmp_path: Path, size: object) -> None:
    session = open_session(LocalTransport(), door(tmp_path))
    session.stream.send(wire.encode({"op": "time", "id": 1, "bytes": size}), soon(DEADLINE))
    with pytest.raises(BadRequest, match="'bytes' must be a whole number"):
        session.reply(1)
    with pytest.raises(LinkLost):
        session.call("time")
    session.close()


def test_what_jobs_have_left_comes_in_few_messages(machine: Machine) -> None:
    large = wire.MAX_FRAME + 5
    with machine.client() as client:
        client.run(
            "printf one > $SJS_JOB_DIR/found",
            "true",
            f"head -c {large} /dev/zero > $SJS_JOB_DIR/found; printf no > $SJS_JOB_DIR/other",
            "mkfifo $SJS_JOB_DIR/found",
            "printf '' > $SJS_JOB_DIR/found",
        )
    there = DistantMachine(LocalTransport(), door(machine.root))
    try:
        wanted = [(0, 1), (1, 1), (2, 1), (4, 1), (0, 7), (0, 1)]
        assert list(there.left(wanted, "found")) == [b"one", None, b"\0" * large, b"", None, b"one"]
        for attempts, name, why in (([(3, 1)], "found", "no plain file"), ([(0, 1)], "../0.out", "plain file name")):
            with pytest.raises(Refused, match=why):
                list(there.left(attempts, name))
    finally:
        there.close()
