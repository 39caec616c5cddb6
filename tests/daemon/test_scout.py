from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.manager.hooks import Hooks
from sjs.daemon.manager.scout import AGAIN, Scout
from sjs.daemon.queue.holdings import Holdings
from sjs.daemon.queue.store import Store

GPU = {"name": "0", "mem": 1 << 30, "kind": "nvidia", "pids": []}


class Camp:
    """A scout, with what the keeper was told to run."""

    def __init__(self, folder: Path) -> None:
        self.orders: list[dict[str, Any]] = []
        self.path = folder / "probe.json"
        self.holdings = Holdings(Store(":memory:"))
        self.scout = Scout(str(self.path), self.holdings, Hooks("/root", str(folder / "log"), "7", self.orders.append))

    def end(self, now: float, text: str) -> None:
        self.path.write_text(text)
        self.scout.has_looked(now, [])


@pytest.fixture
def camp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Camp:
    monkeypatch.setattr("sjs.daemon.ground.resources.has_gpu_tools", lambda: True)
    return Camp(tmp_path)


def test_what_the_kernel_says_is_known_at_once(camp: Camp) -> None:
    assert camp.holdings.machine.cpus >= 1
    assert camp.holdings.machine.mem > 0
    assert not camp.holdings.is_known


def test_a_process_of_its_own_asks_the_tools(camp: Camp) -> None:
    camp.path.write_text("what was found before")
    camp.scout.look()
    (order,) = camp.orders
    assert (order["argv"][-1], order["out"]) == ("probe", str(camp.path))
    assert not camp.path.exists()
    camp.scout.look()
    assert len(camp.orders) == 1, "it looks already"
    camp.end(7.0, json.dumps({"gpus": [GPU]}))
    assert [gpu.name for gpu in camp.holdings.machine.gpus] == ["0"]
    assert (camp.holdings.is_known, camp.scout.next_time(True)) == (True, None)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"gpus"'])
def test_where_nothing_is_told_there_are_none(camp: Camp, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    camp.scout.look()
    camp.end(6.0, text)
    assert (camp.holdings.machine.gpus, camp.holdings.is_known) == ((), True)
    assert "nothing is known of this machine's GPUs" in capfd.readouterr().err


def test_it_looks_again_while_others_use_one_and_somebody_waits(camp: Camp, capfd: pytest.CaptureFixture[str]) -> None:
    camp.scout.look()
    camp.end(6.0, json.dumps({"gpus": [{**GPU, "pids": [4711]}]}))
    assert "GPU 0: left alone" in capfd.readouterr().err
    assert (camp.scout.next_time(False), camp.scout.next_time(True)) == (None, 6.0 + AGAIN)
    camp.scout.on_time(6.0 + AGAIN, anybody_waits=False)
    camp.scout.on_time(5.0 + AGAIN, anybody_waits=True)
    assert camp.scout.next_time(True) is not None
    camp.scout.on_time(6.0 + AGAIN, anybody_waits=True)
    assert camp.scout.next_time(True) is None


def test_without_a_tool_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sjs.daemon.ground.resources.has_gpu_tools", lambda: False)
    camp = Camp(tmp_path)
    camp.scout.look()
    assert (camp.orders, camp.holdings.is_known) == ([], True)
