"""Hands in one job after another through failing proxies, and says what became of each. Runs inside the lab:

    python -m tests.rig.cutting one|any '{"addresses": […], "transport": …, "patience": …, "ports": [[2201, …], …]}'

reads the faults as a JSON list from stdin (null: none, for a look at a faithful connection) and prints a JSON list.
`ports`: those of each worker, one for each address; they work side by side.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from sjs.config import Manager
from sjs.core.job import Spec
from sjs.errors import SjsError
from sjs.routing import Fleet
from sjs.targets import daemon_client
from sjs.transport import auth
from tests.live.machine import DEADLINE, SUBMIT
from tests.rig.lab import PROJECT, USER
from tests.rig.proxy import DOWN, UP, Connection, Fault, Proxy

T = TypeVar("T")
Marks = dict[str, list[int]]
Proxies = Sequence[Proxy]


@dataclass(frozen=True)
class Setting:
    """How the machines are reached. `patience`: seconds for each step of connecting."""

    addresses: Sequence[str]
    transport: str
    patience: int
    ports: Sequence[Sequence[int]]

    def at_once(self, faults: Sequence[Fault | None], work: Callable[[Proxies, Faults], list[T]]) -> list[T]:
        """Let each worker take one fault after the other, with proxies of its own."""
        todo = Faults(faults)

        def turn(ports: Sequence[int]) -> list[T]:
            with contextlib.ExitStack() as stack:
                ways = zip(self.addresses, ports, strict=True)
                return work([stack.enter_context(Proxy((address, 22), port)) for address, port in ways], todo)

        with ThreadPoolExecutor(len(self.ports)) as pool:
            return [one for found in pool.map(turn, self.ports) for one in found]


class Faults:
    """What is still to be tried."""

    def __init__(self, faults: Sequence[Fault | None]) -> None:
        self._queue: queue.SimpleQueue[Fault | None] = queue.SimpleQueue()
        for fault in faults:
            self._queue.put(fault)

    def __iter__(self) -> Iterator[Fault | None]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._queue.get_nowait()


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its id, or an error. The rest is about the connection that was hit, the first one."""

    fault: Fault | None
    struck: bool
    seconds: float
    connections: int
    port: int
    marks: Marks
    id: int | None = None
    error: str = ""


def one(setting: Setting, faults: Sequence[Fault | None]) -> list[Outcome]:
    """Each job to one machine. What a person would be spared, or a slow machine has no time for, is left out."""
    daemon_client.FIRST_PATIENCE = 2 * DEADLINE
    auth.ANSWER = setting.patience

    def work(proxies: Proxies, todo: Faults) -> list[Outcome]:
        (proxy,) = proxies
        manager = Manager(
            "far",
            setting.transport,
            f"/home/{USER}/{PROJECT}",
            host="127.0.0.1",
            port=proxy.port,
            user=USER,
            connect_timeout=setting.patience,
        )
        return [_hand_in(proxy, manager, fault) for fault in todo]

    return setting.at_once(faults, work)


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
        marks=_marks(first),
        id=number,
        error=error,
    )


@dataclass(frozen=True)
class Command:
    """How `submit any job` ended; each job has a text of its own. `marks`: of the connection that carried most."""

    text: str
    fault: Fault | None
    struck: bool
    marks: Marks
    status: int
    output: str
    errors: str


def any(setting: Setting, faults: Sequence[Fault | None]) -> list[Command]:
    """To whichever machine is chosen, all of which fail alike. Each worker has an outbox of its own, and ends with a
    command without a fault, which settles what is left there."""

    def work(proxies: Proxies, todo: Faults) -> list[Command]:
        folder = Path(f"worker-{proxies[0].port}")
        folder.mkdir(exist_ok=True)
        where = {"user": USER, "project_root": f"/home/{USER}/{PROJECT}", "connect_timeout": setting.patience}
        entry = {"transport": setting.transport, "host": "127.0.0.1", **where}
        managers = {f"manager-{number}": {**entry, "port": proxy.port} for number, proxy in enumerate(proxies, 1)}
        (folder / "config.yaml").write_text(json.dumps({"managers": managers}))
        (folder / "config.yaml").chmod(0o600)
        return [_command(folder, proxies, fault) for fault in [*todo, None]]

    return setting.at_once(faults, work)


def _command(folder: Path, proxies: Proxies, fault: Fault | None) -> Command:
    text = f"echo {uuid4().hex}"
    for proxy in proxies:
        proxy.strike(fault)
    before = [len(proxy.connections) for proxy in proxies]
    done = subprocess.run(
        [*SUBMIT, "--config", str(folder / "config.yaml"), "any", "job", "--command", text],
        env={**os.environ, "XDG_STATE_HOME": str(folder.resolve())},
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        timeout=2 * DEADLINE,
    )
    made = [one for proxy, count in zip(proxies, before, strict=True) for one in proxy.connections[count : count + 1]]
    busiest = max(made, key=lambda one: one.up)
    return Command(text, fault, busiest.struck, _marks(busiest), done.returncode, done.stdout, done.stderr)


def _marks(connection: Connection) -> Marks:
    return {way: connection.marks(way) for way in (UP, DOWN)}


def main(how: str, asked: str) -> None:
    setting = Setting(**json.loads(asked))
    faults = [Fault(**fault) if fault else None for fault in json.load(sys.stdin)]
    found: Sequence[Outcome | Command] = one(setting, faults) if how == "one" else any(setting, faults)
    json.dump([asdict(outcome) for outcome in found], sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
