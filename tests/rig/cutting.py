"""Hands in one job after another through a failing proxy, and says what became of each. Runs inside the lab:

    python -m tests.rig.cutting '{"address": …, "transport": …, "ports": [2201, …], …}'

reads the faults as a JSON list from stdin ([] = none, for a look at a faithful connection) and prints a JSON list.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

from sjs.config import Manager
from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.routing import Fleet
from tests.rig.lab import PROJECT, USER
from tests.rig.proxy import DOWN, UP, Fault, Proxy


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


def attempt(proxy: Proxy, manager: Manager, fault: Fault | None) -> Outcome:
    """Hand in one job; its first connection fails as told."""
    proxy.connections.clear()
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
    first = proxy.connections[0]
    return Outcome(
        fault=fault,
        struck=first.struck,
        seconds=time.monotonic() - began,
        connections=len(proxy.connections),
        port=first.port,
        marks={way: first.marks(way) for way in (UP, DOWN)},
        id=number,
        error=error,
    )


def attempts(address: str, transport: str, ports: Sequence[int], faults: Sequence[Fault | None]) -> list[Outcome]:
    """All of them, as many at a time as there are ports."""
    todo: queue.SimpleQueue[Fault | None] = queue.SimpleQueue()
    for fault in faults:
        todo.put(fault)
    done: list[Outcome] = []

    def work(port: int) -> None:
        root = f"/home/{USER}/{PROJECT}"
        manager = Manager("far", transport, root, host="127.0.0.1", port=port, user=USER)
        with Proxy((address, 22), port) as proxy:
            while True:
                try:
                    fault = todo.get_nowait()
                except queue.Empty:
                    return
                done.append(attempt(proxy, manager, fault))

    threads = [threading.Thread(target=work, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    wanted = [Fault(**one) if one else None for one in json.load(sys.stdin)]
    json.dump([asdict(one) for one in attempts(faults=wanted, **asked)], sys.stdout)
