"""Hands in one job after another through failing proxies, and says what became of each. Runs inside the lab:

    python -m tests.rig.cutting one|any '{"address": …, "transport": …, "ports": [2201, …], …}'

reads the faults as a JSON list from stdin (null: none, for a look at a faithful connection) and prints a JSON list.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from sjs.config import Manager
from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.routing import Fleet
from tests.live.machine import DEADLINE, SUBMIT
from tests.rig.lab import PROJECT, USER
from tests.rig.proxy import DOWN, UP, Fault, Proxy

Faults = Sequence[Fault | None]


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its id, or an error. The rest is about the connection that was hit, the first one."""

    fault: Fault | None
    struck: bool
    seconds: float
    connections: int
    port: int
    marks: dict[str, list[int]]
    id: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Command:
    """How `submit any job` ended; each job has a text of its own. `marks`: of the connection that carried most."""

    text: str
    marks: dict[str, list[int]]
    struck: bool
    status: int
    output: str
    errors: str


def one(address: str, transport: str, ports: Sequence[int], faults: Faults) -> list[Outcome]:
    """All to one machine, as many at a time as there are ports."""
    todo: queue.SimpleQueue[Fault | None] = queue.SimpleQueue()
    for fault in faults:
        todo.put(fault)
    done: list[Outcome] = []

    def work(port: int) -> None:
        manager = Manager("far", transport, f"/home/{USER}/{PROJECT}", host="127.0.0.1", port=port, user=USER)
        with Proxy((address, 22), port) as proxy:
            while True:
                try:
                    fault = todo.get_nowait()
                except queue.Empty:
                    return
                done.append(_hand_in(proxy, manager, fault))

    threads = [threading.Thread(target=work, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def _hand_in(proxy: Proxy, manager: Manager, fault: Fault | None) -> Outcome:
    """Hand in one job; its first connection fails as told."""
    before = len(proxy.connections)
    proxy.strike(fault)
    number, error = None, ""
    began = time.monotonic()
    with Fleet([manager], "", lambda name, line: None) as fleet:
        try:
            target = fleet.target(manager.name)
            target.post(uuid4().hex, [Spec(command="true")])
            number = target.collect().first
        except SjsError as found:
            error = f"{found.code}: {found}"
    first = proxy.connections[before]
    return Outcome(
        fault=fault,
        struck=first.struck,
        seconds=time.monotonic() - began,
        connections=len(proxy.connections) - before,
        port=first.port,
        marks={way: first.marks(way) for way in (UP, DOWN)},
        id=number,
        error=error,
    )


def any(addresses: Sequence[str], ports: Sequence[int], faults: Faults) -> list[Command]:
    """To whichever machine is chosen, all of which fail alike, as the config.yaml here says it."""
    with contextlib.ExitStack() as stack:
        servers = zip(addresses, ports, strict=True)
        proxies = [stack.enter_context(Proxy((address, 22), port)) for address, port in servers]
        return [_command(proxies, fault) for fault in faults]


def _command(proxies: Sequence[Proxy], fault: Fault | None) -> Command:
    text = f"echo {uuid4().hex}"
    for proxy in proxies:
        proxy.strike(fault)
    before = [len(proxy.connections) for proxy in proxies]
    command = [*SUBMIT, "any", "job", "--command", text]
    done = subprocess.run(command, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE)
    firsts = [proxy.connections[count] for proxy, count in zip(proxies, before, strict=True)]
    busiest = max(firsts, key=lambda one: one.up)
    marks = {way: busiest.marks(way) for way in (UP, DOWN)}
    return Command(text, marks, busiest.struck, done.returncode, done.stdout, done.stderr)


if __name__ == "__main__":
    asked: dict[str, Any] = json.loads(sys.argv[2])
    asked["faults"] = [Fault(**fault) if fault else None for fault in json.load(sys.stdin)]
    found = one(**asked) if sys.argv[1] == "one" else any(**asked)
    json.dump([asdict(outcome) for outcome in found], sys.stdout)
