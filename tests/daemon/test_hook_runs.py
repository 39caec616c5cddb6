from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground.places import Places
from sjs.daemon.manager.hook_runs import AT_ONCE, HookRuns
from sjs.daemon.queue.hook_list import HookList
from tests.daemon.queues import NOW, make

WELL = {"reason": "exit", "exit": 0}


class House:
    """A queue with commands for the ends of its jobs, and what the keeper was told to run."""

    def __init__(self, folder: Path) -> None:
        self.where = Places(str(folder), "jobs.pipe", str(folder / "state"))
        self.where.make()
        self.queue = make(100)
        self.orders: list[dict[str, Any]] = []
        self.runs = self.successor()

    def successor(self) -> HookRuns:
        """What the next manager has."""
        hooks = HookList(self.queue.store)
        self.queue.ledger.hooks = hooks
        return HookRuns(self.where, hooks, self.queue.store, self.orders.append)

    def work(self) -> list[dict[str, Any]]:
        """What is new to the keeper."""
        known = len(self.orders)
        self.runs.work()
        return self.orders[known:]

    def finish(self, *exits: int) -> None:
        """As many jobs, from submit to end."""
        self.queue.submit(*["a"] * len(exits))
        for tag, code in zip(self.queue.start_all(), exits, strict=True):
            self.queue.ledger.on_started(tag, 5, NOW.wall)
            self.queue.end(tag, exit=code)

    def log(self) -> str:
        return (Path(self.where.state) / "hooks.log").read_text()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.queue.ask("configure", on_finish="cat", hook_timeout=7)
    yield made
    made.queue.store.close()


def record(order: dict[str, Any]) -> dict[str, Any]:
    line = Path(order["stdin"]).read_bytes()
    assert line.count(b"\n") == 1
    return dict(json.loads(line))


def test_a_command_gets_the_record_of_its_job(house: House) -> None:
    house.finish(3)
    (order,) = house.work()
    assert (order["argv"], order["cwd"], order["timeout"]) == (["/bin/sh", "-c", "cat"], house.where.root, 7)
    told = record(order)
    assert [told[name] for name in ("event", "id", "state", "reason", "exit")] == ["on_finish", 0, "failed", "exit", 3]
    assert (order["env"]["SJS_EVENT"], order["env"]["SJS_JOB_ID"]) == ("on_finish", "0")
    assert os.stat(order["stdin"]).st_mode & 0o077 == 0
    house.runs.ended(order["tag"], WELL)
    assert not os.path.exists(order["stdin"])
    assert house.work() == []


def test_whatever_ends_a_job_is_told_once(house: House) -> None:
    house.finish(0)
    parent, _, held = house.queue.submit("a", "b", "c")
    house.queue.ask("hold", jobs=[[held, held]])
    house.queue.ask("submit", jobs=[{"command": "d", "after": [["ok", [[parent, parent]]]]}])
    house.queue.ask("cancel")
    house.queue.ledger.work(NOW.wall)
    house.queue.ask("submit", jobs=[{"command": "e", "after": [["ok", [[parent, parent]]]]}])
    states = []
    while orders := house.work():
        states += [(record(order)["id"], record(order)["state"]) for order in orders]
        for order in orders:
            house.runs.ended(order["tag"], WELL)
    assert states == [(0, "succeeded"), *((number, "cancelled") for number in range(1, 6))]


def test_what_is_tried_again_has_not_finished(house: House) -> None:
    house.queue.ask("configure", on_start="cat", on_finish="")
    house.queue.ask("submit", jobs=[{"command": "a", "retry": {"count": 1}}])
    for tag in ("0.1", "0.2"):
        house.queue.start_all()
        house.queue.ledger.on_started(tag, 5, NOW.wall)
        house.queue.ask("configure", on_finish="cat")
        house.queue.end(tag, exit=1)
    assert [record(order)["event"] for order in house.work()] == ["on_start", "on_start", "on_finish"]


def test_a_burst_of_ends_runs_few_at_once_and_all_in_the_end(house: House) -> None:
    house.finish(*[0] * 50)
    ran = house.work()
    assert len(ran) == AT_ONCE
    assert house.work() == []
    running = list(ran)
    while running:
        house.runs.ended(running.pop(0)["tag"], WELL)
        new = house.work()
        running += new
        ran += new
        assert len(running) <= AT_ONCE
    assert [order["env"]["SJS_JOB_ID"] for order in ran] == [str(number) for number in range(50)]


def test_the_next_manager_runs_what_is_owed_and_nothing_beside_itself(house: House) -> None:
    house.finish(*[0] * 6)
    before = house.work()
    house.runs.ended(before[0]["tag"], WELL)
    house.runs = house.successor()
    again = house.work()
    assert [order["tag"] for order in again[:3]] == [order["tag"] for order in before[1:]], "the keeper knows these"
    house.runs.ended(before[1]["tag"], WELL)
    assert [order["env"]["SJS_JOB_ID"] for order in house.work()] == ["5"]
    assert [order["env"]["SJS_JOB_ID"] for order in again] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"reason": "exit", "exit": 3}, "exit status 3"),
        ({"reason": "signal", "signal": 9, "detail": "x"}, "signal 9; x"),
        ({"reason": "timeout", "signal": 15, "detail": "it ran longer than 7s"}, "it ran longer than 7s"),
        ({"reason": "host-lost"}, "host-lost"),
    ],
)
def test_what_goes_wrong_is_in_the_log_and_not_tried_again(house: House, end: dict[str, Any], words: str) -> None:
    house.finish(0)
    (order,) = house.work()
    house.runs.ended(order["tag"], end)
    assert house.log().endswith(f" on_finish of job 0 failed: {words}\n")
    assert (house.work(), house.queue.job(0).state) == ([], "succeeded")


def test_what_the_machine_cannot_start_now_is_still_owed(house: House) -> None:
    house.finish(0)
    (order,) = house.work()
    house.runs.refused("7.1")
    assert house.work() == []
    house.runs.refused(order["tag"])
    assert [one["tag"] for one in house.work()] == [order["tag"]]


def test_what_is_switched_off_is_owed_no_more(house: House) -> None:
    house.finish(*[0] * 9)
    house.queue.ask("configure", on_finish="")
    assert house.work() == []
    house.finish(0)
    house.queue.ask("configure", on_finish="cat")
    assert house.work() == []


def test_a_record_that_is_gone_is_not_waited_for(house: House) -> None:
    house.finish(0, 0)
    house.queue.store.remove([0])
    assert [order["env"]["SJS_JOB_ID"] for order in house.work()] == ["1"]
    assert "job 0 was not run: its record is gone" in house.log()


def test_a_disk_that_takes_no_record_loses_none(house: House) -> None:
    house.finish(0)
    os.rename(house.where.state, f"{house.where.state}.away")
    with pytest.raises(FileNotFoundError):
        house.work()
    os.rename(f"{house.where.state}.away", house.where.state)
    assert len(house.work()) == 1


def test_ends_of_jobs_are_none_of_its_business(house: House) -> None:
    house.runs.ended("0.1", WELL)
    house.runs.ended("hook-1-1", {"reason": "exit", "exit": 5})
    assert not os.path.exists(os.path.join(house.where.state, "hooks.log"))
