"""What a keeper left is what its successor has; also what a keeper of an earlier version left."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from sjs.daemon.ground.lines import LineSocket
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import Program
from sjs.daemon.keeper import handover
from sjs.daemon.keeper.attempts import Attempts
from sjs.daemon.keeper.keeper import Keeper
from tests.daemon.apart import in_a_child

DATA = Path(__file__).parents[1] / "data" / "handover"


def with_descriptors(value: Any) -> Any:
    """The same with real ones, whose other ends are not closed, where descriptors are named."""
    if isinstance(value, dict):
        return {
            name: socket.socketpair()[0].detach() if name == "fd" else with_descriptors(one)
            for name, one in value.items()
        }
    return [with_descriptors(one) for one in value] if isinstance(value, list) else value


def holds(whole: Any, part: Any) -> bool:
    """Whether all that the part says is so in the whole, which may say more."""
    if isinstance(part, dict):
        return all(name in whole and holds(whole[name], one) for name, one in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def places(folder: Path) -> Places:
    where = Places(str(folder), "jobs.pipe", str(folder / "state"))
    where.make()
    return where


def written(text: str) -> int:
    fd = os.memfd_create("record")
    os.write(fd, text.encode())
    return fd


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
@in_a_child
def test_a_record_of_any_version_is_taken_over_whole(tmp_path: Path, name: str) -> None:
    told = with_descriptors(json.loads((DATA / name).read_text()))
    keeper = Keeper(places(tmp_path), handover.read(written(json.dumps(told))))
    del told["version"]
    assert holds(json.loads(json.dumps(keeper._hand_over())), told)
    attempts = keeper._attempts
    assert isinstance(attempts, Attempts)
    assert attempts.live() == 4
    assert [one.tag for one in attempts._by_pid.values()] == ["1.1", "2.1"]  # our children
    assert [one.tag for one in attempts._clearing] == ["3.1"]  # has ended, and left something behind


@in_a_child
def test_what_is_missing_in_a_record_has_its_default(tmp_path: Path) -> None:
    """Of a version that wrote less, and of an idle queue."""
    least = {"version": 1, "maximum": "-", "umask": 18, "lock": {"fd": 0}, "lobby": {"fd": 0}}
    keeper = Keeper(places(tmp_path), with_descriptors(least))
    assert keeper._attempts.live() == 0
    assert keeper._manager.pid == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps({"version": handover.VERSION + 1}), "reads up to"),
        ("[]", "no record"),
        ('{"version": "1"}', "no record"),
        ('{"version": 1, "lock"', "delimiter"),
    ],
)
def test_a_record_that_cannot_be_understood_is_refused(text: str, words: str) -> None:
    fd = written(text)
    with pytest.raises(ValueError, match=words):
        handover.read(fd)
    os.close(fd)


def test_half_a_message_goes_over_with_its_socket() -> None:
    selector = selectors.DefaultSelector()
    ours, theirs = socket.socketpair()
    first = LineSocket(ours, selector, 100)
    theirs.send(b'{"a": 1}\n{"b"')
    assert first.receive() == [{"a": 1}]
    first.send({"c": 3})
    record = json.loads(json.dumps(first.hand_over()))
    selector.unregister(ours)
    second = LineSocket.resumed({**record, "fd": ours.detach()}, selector)
    theirs.send(b": 2}\n")
    assert second.receive() == [{"b": 2}]
    second.flush()
    assert theirs.recv(100) == b'{"c":3}\n'
    second.close()
    theirs.close()
    selector.close()


def test_an_execution_that_fails_changes_nothing() -> None:
    reading, writing = os.pipe()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        handover.execute(Program("/nowhere/python", "/nowhere"), {"a": [{"fd": reading}]})
    assert not os.get_inheritable(reading)
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert sorted(os.listdir("/proc/self/fd")) == before
    os.close(reading)
    os.close(writing)
