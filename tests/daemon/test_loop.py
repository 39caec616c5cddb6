"""A manager turned by hand, with the test as its keeper: what is told to whom, and in which order."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground import clock
from sjs.daemon.ground.places import Places
from sjs.daemon.manager.loop import Manager, Removed

NONBLOCKING = os.O_NONBLOCK | os.O_CLOEXEC
END = {"reason": "exit", "exit": 0, "at": 5.0, "usage": {}}


class Desk:
    """A manager, its keeper's end, and one client."""

    def __init__(self, folder: Path, **hello: Any) -> None:
        self.where = Places(str(folder), "jobs.pipe", str(folder / "state"))
        self.where.make()
        self._keeper, theirs = socket.socketpair()
        self._keeper.setblocking(False)
        self.say(on="hello", **{"boot": "b", "attempts": [], **hello})
        self.manager = Manager(self.where, theirs, "2")
        self._replies = -1
        self.requests = -1

    def say(self, **news: Any) -> None:
        self._keeper.send(json.dumps(news).encode() + b"\n")

    def orders(self) -> list[dict[str, Any]]:
        """What the keeper was told since the last look."""
        try:
            return [json.loads(line) for line in self._keeper.recv(1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def turn(self) -> None:
        """One turn with all that is there now."""
        self.manager.turn(self.manager._selector.select(0), clock.look())

    def connect(self, name: str = "12345-abcd") -> None:
        base = os.path.join(self.where.sessions, name)
        os.mkfifo(base + ".in", 0o600)
        os.mkfifo(base + ".out", 0o600)
        self._replies = os.open(base + ".out", os.O_RDONLY | NONBLOCKING)
        self.requests = os.open(base + ".in", os.O_RDWR | NONBLOCKING)
        self.knock(b'{"session":"' + name.encode() + b'"}')
        self.turn()

    def knock(self, record: bytes) -> None:
        door = os.open(self.where.door, os.O_WRONLY | NONBLOCKING)
        os.write(door, b"\n" + record + b"\n")
        os.close(door)

    def send(self, *requests: dict[str, Any]) -> None:
        os.write(self.requests, b"".join(json.dumps(one).encode() + b"\n" for one in requests))

    def replies(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in os.read(self._replies, 1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def close(self) -> None:
        self.manager.close()
        self.manager._keeper.close()
        self._keeper.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def submit(number: int, *commands: str) -> dict[str, Any]:
    return {"op": "submit", "id": number, "jobs": [{"command": text} for text in commands]}


def stored_states(desk: Desk) -> list[str]:
    """What a kill at this moment would leave: read from copies, for the database is locked."""
    folder = Path(desk.where.state)
    for name in ("jobs.db", "jobs.db-wal"):
        (folder / f"copy-{name}").write_bytes((folder / name).read_bytes())
    copy = sqlite3.connect(folder / "copy-jobs.db")
    rows = [row[0] for row in copy.execute("SELECT state FROM jobs ORDER BY id")]
    copy.close()
    return rows


def test_a_manager_says_when_it_is_ready(desk: Desk) -> None:
    desk.turn()
    assert [order["do"] for order in desk.orders()] == ["hold", "ready"]


def test_a_job_from_its_submit_to_its_end(desk: Desk) -> None:
    desk.connect()
    (hello,) = desk.replies()
    assert hello["hello"]["pid"] == os.getpid()
    desk.orders()
    desk.send(submit(1, "true"), {"op": "wait", "id": 2, "jobs": [[0, 0]]})
    desk.turn()
    assert desk.replies() == [{"id": 1, "first": 0, "count": 1, "repeated": False, "max": 2}]
    (order,) = desk.orders()
    assert (order["do"], order["tag"], order["argv"]) == ("start", "0.1", ["/bin/sh", "-c", "true"])
    assert (order["cwd"], order["env"]["SJS_JOB_ID"]) == (desk.where.root, "0")
    desk.say(on="started", tag="0.1", pid=77, at=4.0)
    desk.turn()
    assert (desk.replies(), desk.orders()) == ([], [])
    desk.say(on="ended", tag="0.1", end=END)
    desk.turn()
    (reply,) = desk.replies()
    assert (reply["id"], reply["done"], reply["job"]["state"]) == (2, True, "succeeded")
    assert desk.orders() == [{"do": "forget", "tags": ["0.1"]}]
    assert stored_states(desk) == ["succeeded"]


def test_nothing_is_said_before_it_is_durable(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.connect()
    said: list[object] = []
    commit = desk.manager._ledger.commit

    def look_then_commit() -> None:
        said.extend(desk.replies() + desk.orders())
        commit()

    monkeypatch.setattr(desk.manager._ledger, "commit", look_then_commit)
    for commands in (["a"], []):
        desk.replies()
        desk.orders()
        desk.send(*[submit(1, text) for text in commands])
        if not commands:
            desk.say(on="ended", tag="0.1", end=END)
        desk.turn()
    assert said == []
    assert desk.orders() == [{"do": "forget", "tags": ["0.1"]}]


def test_what_ended_in_the_same_turn_is_not_counted_for_a_later_wait(desk: Desk) -> None:
    desk.connect()
    desk.send(submit(1, "a", "b", "c"))
    desk.turn()
    desk.replies()
    desk.say(on="ended", tag="0.1", end=END)
    desk.send({"op": "cancel", "id": 2, "jobs": [[2, 2]]}, {"op": "wait", "id": 3, "jobs": [[0, 2]]})
    desk.turn()
    assert [reply["id"] for reply in desk.replies()] == [2]
    desk.say(on="ended", tag="1.1", end=END)
    desk.turn()
    assert [(reply["id"], reply["done"]) for reply in desk.replies()] == [(3, True)]


def test_garbage_in_a_session_is_answered(desk: Desk) -> None:
    desk.connect()
    desk.replies()
    os.write(desk.requests, b"garbage\n\n[1]\n")
    desk.send({"op": "dance", "id": "x"})
    desk.turn()
    codes = [(reply.get("id"), reply["error"]["code"]) for reply in desk.replies()]
    assert codes == [(None, "bad_request")] * 3 + [("x", "unknown_request")]


def test_garbage_at_the_door_is_noted_and_harms_nobody(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.knock(b'{"type": "job", "run": "tr')
    desk.knock(b"\xff\xfe")
    desk.knock(b'{"session":"../../etc"}')
    desk.knock(b'{"session":"77777-dead"}')
    desk.connect()
    assert "hello" in desk.replies()[0]
    assert "no record" in capfd.readouterr().err


def test_a_seed_client_gets_its_reply(desk: Desk) -> None:
    port = Path(desk.where.root, "port")
    os.mkfifo(port)
    reader = os.open(port, os.O_RDONLY | NONBLOCKING)
    desk.knock(b'{"type": "job", "run": "true", "git": false, "make": false, "port": "port"}')
    desk.turn()
    assert json.loads(os.read(reader, 4096))["job_id"] == 0
    os.close(reader)


def test_hooks_run_before_the_request(desk: Desk) -> None:
    desk.orders()
    desk.knock(b'{"type": "job", "run": "true", "git": true, "make": true, "port": ""}')
    desk.turn()
    (hook,) = [order for order in desk.orders() if order["do"] == "start"]
    assert hook["argv"][-1] == "git pull; make"
    desk.say(on="ended", tag=hook["tag"], end=END)
    desk.turn()
    assert [order.get("tag", order.get("tags")) for order in desk.orders()] == ["0.1", [hook["tag"]]]


def test_who_waits_for_a_change_hears_of_each_and_of_nothing_else(desk: Desk) -> None:
    desk.connect()
    desk.turn()
    desk.replies()
    desk.send({"op": "changes", "id": 1})
    desk.turn()
    (reply,) = desk.replies()
    desk.send({"op": "changes", "id": 2, "since": reply["version"]}, {"op": "report", "id": 3})
    desk.turn()
    assert [one["id"] for one in desk.replies()] == [3]
    desk.turn()
    assert desk.replies() == []
    desk.send(submit(4, "a"))
    desk.turn()
    (changed,) = [one for one in desk.replies() if one["id"] == 2]
    assert changed["version"] != reply["version"]
    desk.send({"op": "changes", "id": 5, "since": reply["version"]})
    desk.turn()
    assert desk.replies() == [{"id": 5, "version": changed["version"]}]
    desk.send({"op": "changes", "id": 6, "since": changed["version"], "timeout": 0})
    desk.turn()
    assert desk.replies() == [{"id": 6, "version": changed["version"]}]


def test_a_cancel_is_told_once(desk: Desk) -> None:
    desk.connect()
    desk.send(submit(1, "a"))
    desk.turn()
    desk.orders()
    for number in (2, 3):
        desk.send({"op": "cancel", "id": number, "jobs": [[0, 0]], "grace": 3})
        desk.turn()
    assert desk.orders() == [{"do": "stop", "tag": "0.1", "grace": 3.0}]


def test_what_the_machine_cannot_start_waits_and_is_tried_again(desk: Desk) -> None:
    desk.connect()
    desk.orders()
    desk.send(submit(1, "a"))
    desk.turn()
    assert [order["tag"] for order in desk.orders()] == ["0.1"]
    desk.say(on="refused", tag="0.1", detail="out of processes")
    desk.turn()
    assert (desk.orders(), desk.manager._ledger.counts["queued"]) == ([], 1)
    assert 0 < (desk.manager._patience() or 0) <= 0.1
    desk.manager.turn([], clock.Now(clock.look().steady + 0.2, 0.0))
    assert [order["tag"] for order in desk.orders()] == ["0.1"], "the same attempt"


def test_a_hook_that_cannot_be_started_does_not_hold_the_request(desk: Desk) -> None:
    desk.orders()
    desk.knock(b'{"type": "job", "run": "true", "git": true, "port": ""}')
    desk.turn()
    (hook,) = [order for order in desk.orders() if order["do"] == "start"]
    desk.say(on="refused", tag=hook["tag"], detail="out of processes")
    desk.turn()
    assert desk.manager._ledger.counts["queued"] == 1


def test_stop_starts_nothing_and_says_so_to_the_keeper(desk: Desk) -> None:
    desk.connect()
    desk.replies()
    desk.orders()
    desk.send({"op": "configure", "id": 1, "max_jobs": 0}, submit(2, "a"))
    desk.turn()
    desk.send({"op": "configure", "id": 3, "max_jobs": 5}, {"op": "stop", "id": 4})
    desk.turn()
    assert desk.orders() == [{"do": "bye"}]
    assert [reply["id"] for reply in desk.replies()] == [1, 2, 3, 4]
    assert stored_states(desk) == ["queued"]


def test_term_is_a_stop(desk: Desk) -> None:
    desk.orders()
    os.kill(os.getpid(), signal.SIGTERM)
    desk.turn()
    assert {"do": "bye"} in desk.orders()


def test_a_removed_door_is_made_again_and_held(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.turn()
    desk.orders()
    os.unlink(desk.where.door)
    desk.turn()
    desk.turn()
    assert desk.orders() == [{"do": "hold"}]
    assert "making it again" in capfd.readouterr().err
    desk.connect()
    assert "hello" in desk.replies()[0]


def test_a_folder_that_was_removed_is_the_end_and_nothing_is_made_there(desk: Desk) -> None:
    desk.turn()
    shutil.rmtree(desk.where.root)
    with pytest.raises(Removed):
        desk.turn()
    assert not os.path.exists(desk.where.root)


def test_a_door_that_was_made_again_in_a_folder_on_its_way_out_goes_too(desk: Desk) -> None:
    desk.turn()
    shutil.rmtree(desk.where.state)
    with pytest.raises(Removed):
        desk.turn()
    assert os.listdir(desk.where.root) == []


def test_a_successor_goes_on_where_the_last_one_was_killed(tmp_path: Path) -> None:
    first = Desk(tmp_path)
    first.connect()
    first.send(submit(1, "a", "b", "c"))
    first.turn()
    first.close()
    attempts = [{"tag": "0.1", "pid": 5, "at": 1.0, "end": END}, {"tag": "1.1", "pid": 6, "at": 1.0, "end": None}]
    second = Desk(tmp_path, attempts=attempts)
    second.turn()
    orders = {order["do"]: order for order in second.orders()}
    assert orders["start"]["tag"] == "2.1"
    assert orders["forget"]["tags"] == ["0.1"]
    assert stored_states(second) == ["succeeded", "running", "starting"]
    second.close()


def test_an_idle_manager_waits_for_ever(desk: Desk) -> None:
    """Once it has looked at what is old, for which a slow machine needs more than one slice."""
    desk.connect()
    for _ in range(50):
        desk.manager.turn(desk.manager._selector.select(desk.manager._patience() or 0), clock.look())
        if desk.manager._patience() is None:
            break
    assert desk.manager._patience() is None
    assert isinstance(desk.manager._selector, selectors.EpollSelector)
    assert desk.manager._selector.select(0) == []
