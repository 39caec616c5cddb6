"""A queue that moves from one machine to another, through a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.live.machine import Client, running, wait_for_end
from tests.live.test_outbox import Pair

ENV = "0123456789abcdef" * 4


class Move(Pair):
    """m1, where nothing may start, m2, where it may, and a client of each."""

    here: Client
    there: Client

    def well(self, line: str) -> str:
        done = self.types(line)
        assert done.returncode == 0, (line, done.stderr)
        return str(done.stdout)

    def export(self, words: str = "") -> str:
        """Into queue.jsonl; what was told besides."""
        done = self.types(f"m1 export {words}")
        assert done.returncode == 0, done.stderr
        (self.home / "queue.jsonl").write_text(done.stdout)
        return str(done.stderr)


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    with ExitStack() as stack:
        machines = [stack.enter_context(running(tmp_path / name, slots)) for name, slots in (("m1", 0), ("m2", 4))]
        (tmp_path / "home").mkdir()
        found = Move(tmp_path / "home", machines)
        found.here, found.there = (stack.enter_context(one.client()) for one in machines)
        yield found


def after(kind: str, *ids: int) -> dict[str, Any]:
    return {"after": [[kind, [[one, one] for one in ids]]]}


def states(client: Client) -> list[str]:
    return [one["state"] for one in client.ask("list")["jobs"]]


def test_what_waits_moves_with_all_that_it_was_told(move: Move) -> None:
    jobs = [
        {"command": "true"},
        {"command": "echo $WHO $SJS_JOB_NAME >> log", "name": "first", "env_base": ENV},
        {"command": "echo second $A >> log", "env": {"A": "1"}, **after("ok", 1)},
        {"command": "echo third >> log", "hold": True, **after("ok", 2)},
        {"command": "echo fourth >> log", **after("any", 0, 1, 3)},
    ]
    move.here.ask("submit", jobs=jobs[:1])
    move.here.ask("cancel")
    move.here.ask("submit", jobs=jobs[1:], envs={ENV: {"WHO": "me"}})
    told = move.export("--hold")
    assert told == "4 exported\nheld until `release`, or `cancel` once they are imported: 1-4\n"
    assert states(move.here) == ["cancelled", *["held"] * 4]
    move.there.submit("true")
    assert move.well("m2 import queue.jsonl") == "4 imported (1-4)\n"
    assert move.well("m2 import queue.jsonl") == "4 imported (1-4); 4 of them had been before\n"
    move.there.ask("wait", jobs=[[1, 2]])
    third, fourth = move.there.ask("list", jobs=[[3, 4]])["jobs"]
    assert (third["state"], third["after"]) == ("held", [["ok", [[2, 2]]]])
    assert (fourth["state"], fourth["after"]) == ("waiting", [["any", [[1, 1], [3, 3]]]])
    move.there.ask("release", jobs=[[3, 3]])
    assert move.there.ask("wait", jobs=[[1, 4]])["counts"] == {"succeeded": 4}
    assert (move.machines[1].root / "log").read_text() == "me first\nsecond 1\nthird\nfourth\n"


def test_who_waits_for_a_job_that_stays_is_held_and_who_waits_in_vain_is_left(move: Move) -> None:
    move.here.ask("configure", max_jobs=1)
    jobs = [{"command": "while [ ! -e go ]; do sleep 0.02; done"}, {"command": "true", **after("notok", 0)}]
    move.here.ask("submit", jobs=[jobs[0]])
    move.here.ask("submit", jobs=[jobs[1]])
    move.here.ask("submit", jobs=[{"command": "true", **after("ok", 1)}])
    move.export("--all")
    records = [json.loads(line) for line in (move.home / "queue.jsonl").read_text().splitlines()]
    assert [one["state"] for one in records] == ["running", "waiting", "waiting"]
    done = move.types("m2 import queue.jsonl")
    assert (done.stdout, done.stderr) == (
        "2 imported (0-1)\n",
        "held, because they wait for jobs that are not handed in: 0\n1 that ran or had ended left out\n",
    )
    assert states(move.there) == ["held", "waiting"]


def test_a_queue_without_a_manager_can_be_written_but_not_held(move: Move) -> None:
    move.here.ask("submit", jobs=[{"command": "true", "env_base": ENV}], envs={ENV: {"WHO": "me"}})
    move.here.ask("stop")
    wait_for_end(move.here.hello["pid"])
    assert move.export() == "1 exported\n"
    refused = move.types("m1 export --hold")
    assert (refused.returncode, refused.stdout, "stopped on purpose" in refused.stderr) == (255, "", True)


def test_many_are_moved_once_also_when_they_are_interrupted(move: Move) -> None:
    """Each waits for the one before it, over the border of requests."""
    count = 1_200
    jobs = [{"id": 3 * one, "state": "waiting", "command": "true", **after("any", 3 * one - 3)} for one in range(count)]
    jobs[0] = {"id": 0, "state": "held", "command": "true"}
    jobs[1_100]["cpus"] = 4_000
    (move.home / "queue.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in jobs))
    done = move.types("m2 import queue.jsonl")
    told = "1000 of 1200 are imported, and the same command goes on there"
    assert (done.returncode, told in done.stderr) == (1, True)
    move.there.ask("configure", cpus=4_000)
    assert move.well("m2 import queue.jsonl") == "1200 imported (0-1199); 1000 of them had been before\n"
    found = [one for page in ([0, 999], [1_000, 1_199]) for one in move.there.ask("list", jobs=[page])["jobs"]]
    assert [one.get("after") for one in found] == [None, *([["any", [[one, one]]]] for one in range(count - 1))]
