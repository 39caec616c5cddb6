"""Many machines, and many managers on one: what a command costs on the way. Only whom `any` passes over depends on
speed. What one of six machines costs is what one of sixteen does, which are there with SJS_RIG_LONG=1."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import pytest

from tests.rig.lab import Count, Done, Host, Lab, Plan, rig
from tests.rig.proxy import DOWN, UP

MANY = 16
CROWD = MANY if os.environ.get("SJS_RIG_LONG") else 6
TRANSPORTS = ("ssh", "openssh")
PASSED_OVER = r"\[manager-\d+\] passed over: no answer yet, [\d.]+ seconds after it was asked"

ASKED = [UP, DOWN, DOWN, UP, DOWN]
"""A header, two lines of greeting; a request, its reply: two round trips."""

HANDED_IN = [*ASKED, UP, DOWN]

MOST_BYTES = {"ssh": 14_000, "openssh": 8_000}
"""Over the cable of one machine, both ways, with all that is beneath ssh; openssh keeps its connections."""

MOST_SSH_TURNS = {"ssh": 5, "openssh": 2}
"""Round trips of ssh itself for one machine: keys, login, a channel, a program. What the program says is not in it."""


@dataclass(frozen=True)
class Cost:
    """Of one command, for each machine; `talks`: of each session."""

    done: Done
    seen: Sequence[Count]
    talks: Sequence[Sequence[str]]
    turns: Sequence[int]
    bytes: Sequence[int]

    def __str__(self) -> str:
        most = max(round_trips(talk) for talk in self.talks)
        connections, sessions = (sum(one[at] for one in self.seen) for at in (0, 1))
        here = f"{connections} connections, {sessions} sessions"
        return f"{here}; at most, {most} round trips, {max(self.turns)} of ssh itself, {max(self.bytes)} bytes"


@pytest.fixture(scope="module")
def crowd() -> Iterator[Lab]:
    with rig([Plan(sshd=["LogLevel DEBUG3"])] * CROWD) as lab:  # it names each packet
        lab.manage(*[1] * CROWD)
        yield lab


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_connection_and_one_session_for_each_machine(crowd: Lab, transport: str) -> None:
    crowd.config(transport=transport)
    crowd.submit("all", "status")  # the first command may have to put the program there
    new = 1 if transport == "ssh" else 0  # openssh keeps its connections for a while

    cost = measured(crowd, "all", "status")
    print(f"{transport}: {cost}")
    assert (len(cost.done.stdout.splitlines()), cost.done.stderr) == (CROWD, "")
    assert cost.seen == [Count(new, 1)] * CROWD
    assert cost.talks == [ASKED] * CROWD
    check(cost, transport)

    cost = measured(crowd, "any", "job", "--command", "true")
    print(f"{transport}: {cost}")
    assert len(cost.done.stdout.splitlines()) == 1
    assert all(re.fullmatch(PASSED_OVER, line) for line in cost.done.stderr.splitlines()), cost.done.stderr
    assert all(one.connections <= new and one.sessions <= 1 for one in cost.seen)
    chosen, *others = sorted(cost.talks, key=len, reverse=True)
    assert chosen == HANDED_IN
    assert len(others) < CROWD and all(talk == ASKED[: len(talk)] for talk in others)
    check(cost, transport)


def check(cost: Cost, transport: str) -> None:
    assert max(cost.turns) <= MOST_SSH_TURNS[transport]
    assert max(cost.bytes) <= MOST_BYTES[transport]


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    """Many managers on one host."""
    with rig(1) as lab:
        host = lab.hosts[0]

        def start(number: int) -> None:
            host.call("/mnt/job_manager", "--root", "project", "--pipe-name", f"pipe-{number}", "--background")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(start, range(MANY)))
        yield lab


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_many_managers_behind_one_server(shared: Lab, transport: str) -> None:
    """OpenSSH drops handshakes at random when more than ten are going on: a client must not start so many."""
    pipes = [{"pipe": f"pipe-{number}"} for number in range(MANY)]
    shared.config(shared.hosts * MANY, transport=transport, each=pipes)
    done = shared.submit("all", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == MANY


def measured(lab: Lab, *argv: str) -> Cost:
    """Run a command that has to go well."""
    notes = lab.home / "notes"
    notes.unlink(missing_ok=True)
    counts, bytes_before, packets_before = lab.counts, traffic(lab), [len(packets(host)) for host in lab.hosts]
    done = lab.call(sys.executable, "-m", "tests.rig.counting", str(notes), *argv)
    talks: dict[str, list[str]] = defaultdict(list)
    for line in notes.read_text().splitlines():
        number, way = line.split()
        talks[number].append(way)
    return Cost(
        done,
        lab.since(counts),
        list(talks.values()),
        [round_trips(packets(host)[before:]) for host, before in zip(lab.hosts, packets_before, strict=True)],
        [now - then for now, then in zip(traffic(lab), bytes_before, strict=True)],
    )


def packets(host: Host) -> list[str]:
    """Which way each packet went that its server has taken or sent until the program ran. Of those after it, which is
    first is up to chance: room for more data (93), the end of data (96), of a channel (97), the status (sent as 98).
    Nor does a session wait for what concerns the connection (80 to 82), as which keys the server has besides."""
    found = re.findall(r"^debug3: (receive|send) packet: type (\d+)", (host.folder / "log").read_text(), re.M)
    late = [("receive", "93"), ("receive", "96"), ("receive", "97")]
    late += [("send", "93"), ("send", "96"), ("send", "97"), ("send", "98")]
    late += [(way, kind) for way in ("receive", "send") for kind in ("80", "81", "82")]
    return [UP if way == "receive" else DOWN for way, kind in found if (way, kind) not in late]


def round_trips(ways: Sequence[str]) -> int:
    """How often something came back."""
    return sum(pair == (UP, DOWN) for pair in pairwise(ways))


def traffic(lab: Lab) -> list[int]:
    """The bytes that have gone over each host's cable, in both directions."""
    links = json.loads(lab.call("ip", "-json", "-stats", "link", "show", "type", "veth").stdout)
    found = {one["ifname"]: one["stats64"]["rx"]["bytes"] + one["stats64"]["tx"]["bytes"] for one in links}
    return [found[f"to-{host.name}"] for host in lab.hosts]
