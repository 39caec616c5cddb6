"""`ask` before a manager of simple-job-submit: a stand-in that reads lines and answers as the original does."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.asking.seed import _unread
from sjs.dialects import pipe
from tests.live.machine import DAEMON, DEADLINE, Machine, running, until

END = '{"SHUTDOWN": true}'
TYPES = {"old": ("job", "status", "configure"), "new": ("submit_job", "stat", "configure", "cancel", "shutdown")}


class StandIn(threading.Thread):
    """Reads the pipe anew for each line, and opens the reply pipe only after the request, waiting for its reader."""

    def __init__(self, root: Path, dialect: str) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.types = TYPES[dialect]
        self.maximum = 2
        self.running: list[dict[str, Any]] = []
        self.queued: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.next_id = 5
        self.step = 1
        self.deaf_after = 1_000
        self.lingers = False
        self.door = root / "jobs.pipe"
        os.mkfifo(self.door, 0o644)
        self.start()

    def run(self) -> None:
        while True:
            with open(self.door) as door:
                lines = door.read().splitlines()
                if self.lingers:
                    self.lingers = False
                    self.answer(lines)
                    until(lambda: _unread(door.fileno()) > 0, "the next request")
                    continue
            if lines == [END]:
                return
            self.answer(lines)

    def answer(self, lines: list[str]) -> None:
        for request in map(json.loads, lines):
            self.requests.append(request)
            if len(self.requests) <= self.deaf_after:
                reply = self.reply(request)
                with open(self.root / request["port"], "w") as port:
                    port.write(reply)

    def end(self) -> None:
        self.door.write_text(END + "\n")
        self.join(DEADLINE)

    def reply(self, request: dict[str, Any]) -> str:
        """In its own dialect, by the translation that our own manager is tested with."""
        call = pipe.translate(request if request["type"] in self.types else {**request, "type": "unknown"})
        answers: dict[str, Callable[[], dict[str, Any]]] = {"submit": self.take, "report": self.report}
        if call.request["op"] == "unknown":
            return json.dumps({"status": "error", "message": "unknown command", "code": 1})
        if call.request["op"] == "configure":
            old, self.maximum = self.maximum, request["max_jobs"]
            return pipe.reply(call, {"old": old, "new": self.maximum}).decode()
        if call.request["op"] == "submit":
            jobs = self.running if len(self.running) < self.maximum else self.queued
            jobs.append({"job": request["run"], "job_id": self.next_id})
        return pipe.reply(call, answers[call.request["op"]]()).decode()

    def take(self) -> dict[str, Any]:
        number = self.next_id
        self.next_id += self.step
        return {"first": number}

    def report(self) -> dict[str, Any]:
        return {
            "running": len(self.running),
            "max": self.maximum,
            "queued": len(self.queued),
            "head": self.queued,
            "live": self.running,
        }


@pytest.fixture(params=["old", "new"])
def seed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StandIn]:
    stand_in = StandIn(tmp_path, request.param)
    yield stand_in
    stand_in.end()


def ports(root: Path) -> list[Path]:
    return list(root.glob("*.port"))


def test_status_and_configure(seed: StandIn) -> None:
    seed.queued = [{"job": 'echo "it\'s" {é}', "job_id": 4}]
    with Machine(seed.root).client() as client:
        assert (client.hello["version"], client.hello["root"]) == ("simple-job-submit", str(seed.root))
        report = client.ask("report", head=9)
        assert (report["running"], report["max"], report["queued"]) == (0, 2, 1)
        number = 4 if "stat" in seed.types else None
        assert report["head"] == [{"job": 'echo "it\'s" {é}', "job_id": number}]
        assert "only --max-jobs-running" in client.ask("configure", max_jobs=7, cpus=1)["error"]["message"]
        reply = client.ask("configure", max_jobs=7)
        assert (reply["old"], reply["new"], seed.maximum) == (2, 7, 7)
    assert ports(seed.root) == []
    assert not (seed.root / ".sjs").exists()


def test_jobs_are_handed_in_one_by_one(seed: StandIn) -> None:
    with Machine(seed.root).client("start=") as client:
        reply = client.submit("a", "b", "c", key="k")
        assert (reply["first"], reply["count"], reply["max"], reply["ids"]) == (5, 3, 2, [[5, 7]])
        seed.step = 10
        assert client.submit("d", "e")["ids"] == [[8, 8], [18, 18]]
    assert [one["job"] for one in (*seed.running, *seed.queued)] == ["a", "b", "c", "d", "e"]
    assert {(one["git"], one["make"]) for one in seed.requests} == {(False, False)}


def test_a_request_at_a_door_that_is_just_being_closed_is_not_lost(seed: StandIn) -> None:
    """The original answers and then closes the door; what came in between is gone, if nobody else holds it open."""
    seed.lingers = True
    with Machine(seed.root).client() as client:
        seed.lingers = True
        assert client.ask("report", head=0)["max"] == 2
        assert client.submit("a")["ids"] == [[5, 5]]
    assert not seed.lingers


def test_a_name_that_is_taken_is_left_alone(seed: StandIn) -> None:
    (seed.root / "1.port").write_text("somebody's")
    with Machine(seed.root).client() as client:
        assert client.ask("report", head=0)["max"] == 2
    assert (seed.root / "1.port").read_text() == "somebody's"
    assert seed.requests[-1]["port"] == "2.port"


@pytest.mark.parametrize("op", ["list", "cancel", "wait", "read", "stop", "lookup", "dance"])
def test_all_else_is_refused(seed: StandIn, op: str) -> None:
    with Machine(seed.root).client() as client:
        error = client.ask(op, job=0, stream="out")["error"]
    assert error["message"] == "seed manager: only job, status and configure"
    assert all(one["type"] in ("status", "stat") for one in seed.requests)


def test_what_may_have_been_sent_before_is_not_sent_again(seed: StandIn) -> None:
    with Machine(seed.root).client() as client:
        error = client.ask("submit", key="k", again=True, jobs=[{"command": "x"}])["error"]
    assert (error["code"], "knows no keys" in error["message"], seed.running) == ("refused", True, [])


def test_only_into_free_slots(seed: StandIn) -> None:
    with Machine(seed.root).client() as client:
        refused = client.ask("submit", if_free=True, jobs=[{"command": "x"}] * 3)["error"]
        assert (refused["code"], refused["message"]) == ("full", "2 free slots for 3 jobs")
        assert client.ask("submit", if_free=True, jobs=[{"command": "x"}] * 2)["count"] == 2
        assert client.ask("submit", if_free=True, jobs=[{"command": "x"}])["error"]["message"] == "no free slot"


@pytest.mark.parametrize("job", [{"command": "x" * 5_000}, {"command": "caf\udce9"}, {"command": "a\0b"}, {}])
def test_a_job_that_cannot_be_sent_keeps_its_whole_chunk_back(seed: StandIn, job: dict[str, str]) -> None:
    with Machine(seed.root).client() as client:
        error = client.ask("submit", jobs=[{"command": "fine"}, job])["error"]
    assert (error["code"], seed.running) == ("bad_request", [])


@pytest.fixture
def quick(tmp_path: Path) -> list[str]:
    """`ask` with little patience."""
    code = (
        f"import sys; sys.path.insert(0, {str(DAEMON.parents[1])!r}); from sjs.daemon.asking import ask, seed;"
        "seed.DEADLINE = 2.0; sys.exit(ask.main())"
    )
    return [sys.executable, "-I", "-S", "-c", code]


def ask(argv: list[str], root: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    header = f"sjs 1\0{root}\0jobs.pipe\0\0-\n"
    lines = "".join(json.dumps(one) + "\n" for one in requests)
    done = subprocess.run(argv, input=header + lines, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()[1:]]


def test_one_that_never_answers_is_said_in_time(seed: StandIn, quick: list[str]) -> None:
    seed.deaf_after = 0
    (told,) = ask(quick, seed.root)
    assert told["error"]["code"] == "unreachable"
    assert "seed manager: no answer within" in told["error"]["message"]
    assert ports(seed.root) == []


def test_one_that_goes_silent_in_the_middle_says_what_it_took(seed: StandIn, quick: list[str]) -> None:
    seed.deaf_after = 5 if "job" in seed.types else 6
    jobs = [{"command": str(number)} for number in range(5)]
    _, told = ask(quick, seed.root, {"op": "submit", "id": 1, "jobs": jobs})
    assert told["error"]["code"] == "unreachable"
    assert told["error"]["message"].startswith(
        "seed manager: took 3 of 5 jobs, ids 5 to 7; then: seed manager: no answer"
    )


def test_a_reader_of_another_kind_is_said(tmp_path: Path, quick: list[str]) -> None:
    os.mkfifo(tmp_path / "jobs.pipe", 0o600)
    stranger = os.open(tmp_path / "jobs.pipe", os.O_RDWR | os.O_NONBLOCK)
    try:
        (told,) = ask(quick, tmp_path)
        assert json.loads(os.read(stranger, 4096)) == {"type": "status", "git": False, "make": False, "port": "1.port"}
    finally:
        os.close(stranger)
    assert "no answer within" in told["error"]["message"]


def test_ours_is_not_started_beside_it(seed: StandIn) -> None:
    with Machine(seed.root).client("restart=") as client:
        assert client.refused is not None
        assert client.refused["message"] == "seed manager: it runs already"
    assert seed.requests == []


def test_a_stale_pipe_is_no_manager(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jobs.pipe", 0o644)
    with Machine(tmp_path).client() as client:
        assert client.refused is not None
        assert (client.refused["code"], client.refused["message"]) == (
            "no_manager",
            f"nobody reads {tmp_path}/jobs.pipe",
        )


def test_our_own_manager_is_told_by_its_lock(tmp_path: Path) -> None:
    with running(tmp_path) as machine, machine.client() as client:
        assert client.hello["version"] != "simple-job-submit"
        machine.door.chmod(0o644)
        with contextlib.closing(machine.client()) as other:
            assert other.refused is not None
            assert "open to others" in other.refused["message"]
        machine.door.chmod(0o600)
