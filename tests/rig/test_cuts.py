"""A job is handed in while the line fails at a chosen byte: there is one job and one answer.

A line that is cut is made again, wherever it was. One that falls silent, or a byte that is changed, may also end with
an error, but only before the server has begun a session, and then there is no job. The bytes are those around the
ends of packets, between which a cut makes no difference to whoever decrypts them, and some in between; of these, some,
and others each time. SJS_RIG_LONG=1 cuts at every byte (15 minutes), SJS_RIG_LONG=5 at every fifth.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.hanging import patiently
from tests.live.machine import DEADLINE
from tests.rig.lab import Host, Lab, Plan, rig
from tests.rig.proxy import DOWN, UP

LONG = int(os.environ.get("SJS_RIG_LONG", "0"))
SEED = int(os.environ.get("SJS_TEST_SEED", "0")) or random.SystemRandom().randrange(1 << 30)
LIMIT = 7200 if LONG else 4 * DEADLINE
TRANSPORTS = ("ssh", "openssh")

Fault = dict[str, Any]
Outcome = dict[str, Any]
Place = tuple[str, int]


class Line:
    """Hosts behind failing proxies, reached by one transport."""

    def __init__(self, lab: Lab, transport: str, hosts: Sequence[Host], first_port: int) -> None:
        self.transport = transport
        self._lab = lab
        self._hosts = hosts
        self._first_port = first_port

    def hand_in(self, how: str, faults: Iterable[Fault | None], workers: int, patience: float) -> list[Outcome]:
        """A job for each fault, through proxies inside the lab."""
        width = len(self._hosts)
        ports = [[self._first_port + worker * width + at for at in range(width)] for worker in range(workers)]
        addresses = [host.address for host in self._hosts]
        asked = {"addresses": addresses, "transport": self.transport, "patience": int(patience), "ports": ports}
        if LONG:
            patiently()
        command = self._lab.command(sys.executable, "-m", "tests.rig.cutting", how, json.dumps(asked))
        done = subprocess.run(command, input=json.dumps(list(faults)), capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found: list[Outcome] = json.loads(done.stdout)
        return found

    def clean(self, how: str) -> Mapping[str, list[int]]:
        """How far a faithful connection had come, each way, after each packet."""
        first, *_ = self.hand_in(how, [None, None], 1, DEADLINE)[1:]  # the first one may have to put the program there
        marks: Mapping[str, list[int]] = first["marks"]
        return marks


def trust(lab: Lab, ports: Mapping[int, Host]) -> None:
    """Know all hosts behind the proxies, and let ssh come through these each time: with a path given, it is its owner
    who decides about a master."""
    lab.trust(*(f"[127.0.0.1]:{port} {host.public_key}" for port, host in ports.items()))
    (lab.home / ".ssh" / "config").write_text("ControlPath ~/.ssh/master\n")


def places(marks: Mapping[str, list[int]], step: int) -> list[Place]:
    """At which bytes it is worth failing, when a faithful connection went so."""
    found = []
    for way in (UP, DOWN):
        end = marks[way][-1]
        around = {mark + off for mark in marks[way] for off in (-1, 0, 1)} | set(range(0, end, step))
        found += [(way, after) for after in sorted(around) if 0 <= after < end]
    return found


def some(where: Sequence[Place], step: int) -> Sequence[Place]:
    """One in so many, others each time; in the long form all."""
    return where if LONG else where[SEED % step :: step]


def faults(kind: str, where: Iterable[Place]) -> list[Fault]:
    return [{"kind": kind, "way": way, "after": after} for way, after in where]


def summed_up(what: str, outcomes: Sequence[Outcome], answers: int) -> None:
    """Say what was tried, for who tries nothing proves nothing. Whoever is slow may give up before a fault comes."""
    struck = Counter(one["fault"]["kind"] for one in outcomes if one["struck"])
    too_late = sum(not one["struck"] and not one.get("error") for one in outcomes)
    print(f"{what}: {dict(struck)}, {too_late} too late, of {len(outcomes)}; {answers} answers, seed {SEED}")
    assert answers and too_late <= max(2, 0.1 * len(outcomes))


class Pair:
    """A host for each transport, with a manager that only collects jobs."""

    def __init__(self, lab: Lab) -> None:
        lab.manage(0, 0)
        self._hosts = dict(zip(TRANSPORTS, lab.hosts, strict=True))
        first_ports = {name: 2000 + 1000 * at for at, name in enumerate(self._hosts)}
        trust(lab, {first_ports[name] + at: host for name, host in self._hosts.items() for at in range(100)})
        self._lines = {name: Line(lab, name, [host], first_ports[name]) for name, host in self._hosts.items()}
        self.marks = {name: line.clean("one") for name, line in self._lines.items()}
        self._count = dict.fromkeys(TRANSPORTS, 2)

    def hand_in(self, chosen: Mapping[str, list[Fault]], workers: int, patience: float) -> dict[str, list[Outcome]]:
        """By both at once; then there are as many jobs as answers, and no job besides."""
        with ThreadPoolExecutor(len(chosen)) as pool:
            found = pool.map(lambda name: self._lines[name].hand_in("one", chosen[name], workers, patience), chosen)
            outcomes = dict(zip(chosen, found, strict=True))
        for name, mine in outcomes.items():
            first = self._count[name]
            ids = [one["id"] for one in mine if one["id"] is not None]
            assert sorted(ids) == list(range(first, first + len(ids))), "as many jobs as answers"
            last = self._lines[name].hand_in("one", [None], 1, DEADLINE)[0]
            assert last["id"] == first + len(ids), "and no job besides"
            self._count[name] = first + len(ids) + 1
            summed_up(name, mine, len(ids))
        return outcomes

    def begun(self, name: str) -> set[str]:
        """The ports from which sessions have come."""
        log = (self._hosts[name].folder / "log").read_text()
        return set(re.findall(r"^Starting session: .* port (\d+) id", log, re.M))


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    plan = Plan(sshd=["MaxStartups 100"])  # for here come more at once than a client would send
    with rig([plan] * len(TRANSPORTS)) as lab:
        yield Pair(lab)


def test_a_line_that_is_cut_brings_one_job_and_one_answer(pair: Pair) -> None:
    chosen = {}
    for name, marks in pair.marks.items():
        found = some(places(marks, LONG or 250), 5)
        chosen[name] = faults("close", found[::2]) + faults("reset", found[1::2])
    for mine in pair.hand_in(chosen, 4, DEADLINE).values():
        assert [one for one in mine if one["id"] is None] == []


def test_a_byte_is_changed_or_the_line_falls_silent(pair: Pair) -> None:
    """All at once: a length that was changed makes the other side wait, too."""
    chosen = {}
    for name, marks in pair.marks.items():
        found = places(marks, 8 * LONG or 320)
        stalled = found[::2] if LONG else some(found, 12)
        chosen[name] = faults("stall", stalled) + faults("corrupt", some(found, 9))
    for name, mine in pair.hand_in(chosen, 32, 20).items():
        begun = pair.begun(name)
        for one in mine:
            if one["id"] is None:
                assert one["error"].startswith(("not_reached: ", "unreachable: ")), one
                assert str(one["port"]) not in begun, one


def test_a_job_for_any_runs_on_one_machine_at_most() -> None:
    """Whatever fails on the way to both machines. Where it was acknowledged, there it runs; where it was kept, a later
    command has handed it in."""
    workers = 4 if LONG else 2
    with rig(2) as lab:
        lab.manage(1, 1)
        first_ports = {2000: "ssh", 3000: "openssh"}
        trust(lab, {first + at: lab.hosts[at % 2] for first in first_ports for at in range(2 * workers)})

        def tried(first_port: int) -> list[Outcome]:
            line = Line(lab, first_ports[first_port], lab.hosts, first_port)
            return line.hand_in("any", faults_for_any(line.clean("any")), workers, DEADLINE)

        with ThreadPoolExecutor(len(first_ports)) as pool:
            found = dict(zip(first_ports.values(), pool.map(tried, first_ports), strict=True))
        lab.config()
        lab.trust()
        where = jobs(lab)
    for transport, outcomes in found.items():
        for one in outcomes:
            names = where[one["text"]]
            was_kept = "job(s) kept for it" in one["errors"]
            assert len(names) == (one["status"] == 0 or was_kept), one
            if one["status"] == 0:
                assert one["output"].startswith(f"[{names[0]}] "), one
        struck = [one for one in outcomes if one["fault"]]
        summed_up(transport, struck, sum(one["status"] == 0 for one in struck))


def faults_for_any(marks: Mapping[str, list[int]]) -> list[Fault]:
    """Some everywhere, and each kind when a machine has been chosen."""
    late = some([(way, marks[way][-1] - back) for way in (UP, DOWN) for back in (1, 150)], 2)
    return (
        faults("stall", late)
        + faults("close", places(marks, 1000)[::LONG] if LONG else some(places(marks, 1000), 60))
        + faults("reset", late)
    )


def jobs(lab: Lab) -> dict[str, list[str]]:
    """Which targets have a job with this text, for each text, once all have ended."""
    assert lab.submit("all", "wait").returncode == 0
    found = defaultdict(list)
    for line in lab.submit("all", "list", "--all", "--json").stdout.splitlines():
        one = json.loads(line)
        found[one["command"]].append(one["target"])
    return found
