"""What a client says to a manager, cut off after each of its bytes: its own retry brings one job and one answer."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sjs.config import Manager
from sjs.core.job import Spec
from sjs.core.rebalance import Parting
from sjs.errors import LinkLost
from sjs.moving import Carried, Carrier
from sjs.protocols import Stream, Target
from sjs.reach import local_ask
from sjs.routing import Fleet
from sjs.targets.daemon_client import DaemonTarget
from sjs.targets.session import Door
from sjs.transport.local import LocalTransport
from tests.live.machine import Machine, running


class CutTransport:
    """Its first stream breaks after so many bytes sent and so many lines received; the others are whole."""

    def __init__(self, sent: float = float("inf"), received: float = float("inf")) -> None:
        self._local = LocalTransport()
        self._limits: tuple[float, float] | None = (sent, received)

    def open(self, argv: Sequence[str]) -> Stream:
        stream = self._local.open(argv)
        limits, self._limits = self._limits, None
        return CutStream(stream, *limits) if limits else stream

    def close(self) -> None:
        self._local.close()


class CutStream:
    def __init__(self, stream: Stream, sent: float, received: float) -> None:
        self._stream = stream
        self._sent = sent
        self._received = received

    def hang_up(self) -> None:
        self._stream.hang_up()

    def send(self, data: bytes, deadline: float) -> None:
        if len(data) > self._sent:
            self._stream.send(data[: int(self._sent)], deadline)
            self._break()
        self._sent -= len(data)
        self._stream.send(data, deadline)

    def line(self, deadline: float) -> bytes:
        if not self._received:
            self._break()
        self._received -= 1
        return self._stream.line(deadline)

    def take(self, count: int, deadline: float) -> bytes:
        return self._stream.take(count, deadline)

    def close(self) -> None:
        self._stream.close()

    def _break(self) -> None:
        self._stream.close()
        self._received = 0
        raise LinkLost("cut")


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Machine]:
    """A manager that starts no job."""
    with running(tmp_path / "m", slots=0) as machine:
        yield machine


def hand_in(machine: Machine, transport: CutTransport) -> tuple[int, int]:
    """Submit a job; its id, and how often the line broke."""
    notices: list[str] = []
    door = Door(local_ask(), str(machine.root), "jobs.pipe")
    target = DaemonTarget("m", transport, door, door, notices.append)
    target.post(f"key-{os.urandom(8).hex()}", [Spec(command="true")])
    accepted = target.collect()
    target.close()
    assert accepted.count == 1
    return accepted.first, len(notices)


def test_each_byte_that_is_sent(collecting: Machine) -> None:
    """In the short form one in three, others each time."""
    step = 1 if "SJS_TEST_ROUNDS" in os.environ else 3
    last, broke, after = -1, 1, random.randrange(step)
    while broke:
        found, broke = hand_in(collecting, CutTransport(sent=after))
        assert found == last + 1, f"cut after {after} bytes"
        last, after = found, after + step
    assert after > 150, "the header and the request were sent"


def test_each_line_that_comes(collecting: Machine) -> None:
    last, broke, after = -1, 1, 0
    while broke:
        found, broke = hand_in(collecting, CutTransport(received=after))
        assert found == last + 1, f"cut after {after} lines"
        last, after = found, after + 1
    assert after == 4, "marker, greeting and answer came"


def test_jobs_that_move_over_lines_that_break(collecting: Machine, tmp_path: Path) -> None:
    """Cut after each line that comes from the one queue, and after each from the other, until nothing breaks."""
    with running(tmp_path / "there", slots=0) as there, collecting.client() as source, there.client() as target:
        steps = moved = 0
        for side in (0, 1):
            after, broke = 0, True
            while broke:
                source.submit(f"echo {side} {after}")
                cuts = [CutTransport(received=after) if one == side else CutTransport() for one in (0, 1)]
                found, broke = carry([collecting, there], cuts, moved)
                assert (found.jobs, found.first, found.error) == ([moved], moved, None), (side, after)
                steps, moved, after = steps + 1, moved + 1, after + 1
        assert steps > 8, "the lines of two greetings and all answers"
        told = [one["detail"] for one in source.ask("list")["jobs"]]
        assert told == [f"there:{number}" for number in range(moved)]
        here, over = (client.ask("list")["jobs"] for client in (source, target))
        assert [one["command"] for one in here] == [one["command"] for one in over]


def carry(machines: Sequence[Machine], transports: Sequence[CutTransport], job: int) -> tuple[Carried, bool]:
    """Move a job from the first to the second; what became of it, and whether a line broke."""
    notices: list[str] = []
    targets = {}
    for name, machine, transport in zip(("here", "there"), machines, transports, strict=True):
        door = Door(local_ask(), str(machine.root), "jobs.pipe")
        targets[name] = DaemonTarget(name, transport, door, door, notices.append)

    class Two(Fleet):
        def _build(self, manager: Manager) -> Target:
            return targets[manager.name]

    with Two([Manager(name, "local", "/") for name in targets], "", lambda name, line: None) as fleet:
        (found,) = Carrier(fleet).carry(os.urandom(8).hex(), Parting("here", "there", [job]))
    return found, bool(notices)
