"""The keeper's one child that is no job, and how soon it is started again."""

from __future__ import annotations

import json
import os
import selectors
import socket
from pathlib import Path

import pytest

from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import Program
from sjs.daemon.keeper.manager_process import CALM, PATIENCE, SLOWEST, ManagerProcess, Restarts


def test_restarts_slow_down_and_are_quick_again_after_a_calm_time() -> None:
    restarts = Restarts()
    delays = [restarts.delay(0.0) for _ in range(PATIENCE + 10)]
    assert delays[:PATIENCE] == [0.0] * PATIENCE
    assert delays[PATIENCE : PATIENCE + 3] == [0.2, 0.4, 0.8]
    assert delays[-1] == SLOWEST
    assert restarts.delay(CALM + 1) == 0.0


def test_one_that_has_just_died_is_handed_over_to_be_reaped() -> None:
    """It said `ready` and died: its end of file was heard with that, but its end by nobody yet."""
    with selectors.DefaultSelector() as selector:
        ours, theirs = socket.socketpair()
        link = {"fd": ours.detach(), "limit": 0, "in": "", "out": ""}
        manager = ManagerProcess(selector, {"pid": 7, "ready": True, "link": link})
        theirs.send(b'{"do":"ready"}\n')
        theirs.close()
        assert manager.hear() == [{"do": "ready"}]
        record = manager.hand_over()
        assert record == {"pid": 7, "ready": True, "link": None}
        assert ManagerProcess(selector, record).pid == 7


def test_of_an_attempt_that_ends_before_its_start_was_told_only_the_end_is() -> None:
    with selectors.DefaultSelector() as selector:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        manager = ManagerProcess(
            selector, {"pid": 7, "ready": True, "link": {"fd": ours.detach(), "limit": 0, "in": "", "out": ""}}
        )
        for tag in ("0.1", "1.1"):
            manager.send({"on": "started", "tag": tag}, by=5.0)
        manager.send({"on": "ended", "tag": "0.1"}, by=6.0)
        manager.flush(4.9)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        assert manager.next_time() == 5.0
        manager.flush(5.0)
        assert [json.loads(line) for line in theirs.recv(1 << 10).splitlines()] == [
            {"on": "ended", "tag": "0.1"},
            {"on": "started", "tag": "1.1"},
        ]
        manager.send({"on": "started", "tag": "2.1"}, by=9.0)
        record = manager.hand_over()
        assert record is not None
        assert json.loads(record["link"]["out"]) == {"on": "started", "tag": "2.1"}
        manager.bury()
        theirs.close()


def test_a_start_that_the_machine_refuses_leaves_nothing_open(tmp_path: Path) -> None:
    with selectors.DefaultSelector() as selector:
        manager = ManagerProcess(selector)
        before = os.listdir("/proc/self/fd")
        with pytest.raises(FileNotFoundError):
            manager.start(Program("/nowhere/python", "/nowhere"), Places(str(tmp_path), "p", str(tmp_path)), "-")
        assert os.listdir("/proc/self/fd") == before
        assert (manager.pid, manager.hear(), manager.hand_over()) == (0, [], None)
