"""How many requests a second the gateway answers, beside FastAPI with nothing behind it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.bench.figures import Effort, Found, Goal, Lacking
from tests.bench.rate import times
from tests.live.machine import DEADLINE, ROOT, running

CONNECTIONS = 32
MOST_ITEMS = 10_000
"""In one request."""
WARM = 2.0
"""Seconds of asking that do not count: what is made once is made then."""

GET, SUBMIT = "a job, looked at", "a job, handed in durably"
CLAIM, CLAIMS = "an item, claimed durably", "items, claimed durably ten at a time"
GOALS = {
    GET: Goal(0.5, at_least=True),
    SUBMIT: Goal(0.25, at_least=True),
    CLAIM: Goal(0.5, at_least=True),
    CLAIMS: Goal(2, at_least=True),
}
BARE = "FastAPI alone"


@dataclass(frozen=True)
class Asked:
    """One thing that is asked again and again of a server; and what came of it each time."""

    door: socket.socket
    server: subprocess.Popen[bytes]
    request: bytes
    each: int = 1
    """Things in a request."""
    rates: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def ask(self, seconds: float) -> None:
        before = sum(times(self.server.pid)[:2])
        answer = _load(self.door.getsockname()[1], seconds, self.request)
        count = sum(answer["answers"].values())
        assert set(answer["answers"]) <= {"200", "201"}, answer
        self.rates.append(count * self.each / answer["seconds"])
        self.spent.append(1e6 * (sum(times(self.server.pid)[:2]) - before) / (count * self.each))
        self.busy.append(100 * answer["busy"] / answer["seconds"])


def requests(effort: Effort) -> Found:
    """Of each kind in turns; who asks has a processor of his own."""
    if find_spec("fastapi") is None or find_spec("sqlalchemy") is None:
        raise Lacking("no sjs[gateway]")
    found = Found()
    # more items than are claimed, for claims that find none are cheaper
    with _servers({"ones": effort.of(100_000, 20_000), "tens": effort.of(300_000, 60_000)}) as asked:
        for one in asked.values():
            _load(one.door.getsockname()[1], WARM, one.request)
        for one in [one for _ in range(effort.of(5, 1)) for one in asked.values()]:
            one.ask(effort.of(5, 1))
    for what, goal in GOALS.items():
        found.add_ratio(f"{what}, by {BARE}", asked[what].rates, asked[BARE].rates, goal)
    for what, one in asked.items():
        found.add(what, "a second", one.rates)
    for what, one in asked.items():
        found.add(f"processors' time of {what}", "µs each", one.spent)
    found.add("processors' time of who asks", "% of one", [value for one in asked.values() for value in one.busy])
    return found


@contextmanager
def _servers(items: Mapping[str, int]) -> Iterator[dict[str, Asked]]:
    """The gateway before a queue in which nothing starts, so that no job takes a processor; and FastAPI."""
    from sjs.gateway.settings import usual
    from tests.gateway import program

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sjs-bench-")))
        machine = stack.enter_context(running(folder / "m", slots=2))
        with machine.client() as client:
            client.ask("drain")
        config = {"managers": {"m": {"transport": "local", "root": str(machine.root)}}}
        token = program.prepared(usual(str(folder / "g")))
        bare_door, door = stack.enter_context(program.listening()), stack.enter_context(program.listening())
        bare = stack.enter_context(_bare(bare_door))
        ours = stack.enter_context(program.running(config, str(folder / "g"), door))
        _fill(door.getsockname()[1], token, items)
        yield {
            BARE: Asked(bare_door, bare, _request("GET", "/jobs/1", "")),
            SUBMIT: Asked(door, ours, _request("POST", "/api/v1/jobs", token, {"command": "true"})),
            GET: Asked(door, ours, _request("GET", "/api/v1/jobs/1", token)),
            CLAIM: Asked(door, ours, _request("POST", "/api/v1/stages/ones/claims", token, {"stage": 0})),
            CLAIMS: Asked(
                door, ours, _request("POST", "/api/v1/stages/tens/claims", token, {"stage": 0, "count": 10}), 10
            ),
        }


def _fill(port: int, token: str, items: Mapping[str, int]) -> None:
    """Have so many to claim, by pipelines."""
    head = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE)) as at:

        def ask(method: str, path: str, said: Any) -> None:
            at.request(method, f"/api/v1/stages/{path}", json.dumps(said), head)
            answer = at.getresponse()
            text = answer.read()
            assert answer.status == 201, text

        for name, count in items.items():
            ask("PUT", name, {"stages": [{"lifetime": 3_600}, {}]})
            for _ in range(0, count, MOST_ITEMS):
                ask("POST", f"{name}/items", {"items": [{"command": {"seed": 7}}] * MOST_ITEMS})


def _request(method: str, path: str, token: str, said: Any = None) -> bytes:
    body = b"" if said is None else json.dumps(said).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"authorization: Bearer {token}"] if token else []
    lines += ["content-type: application/json", f"content-length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def _load(port: int, seconds: float, request: bytes) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.bench.http_load", str(port), str(CONNECTIONS), str(seconds)]
    done = subprocess.run(argv, cwd=ROOT, input=request, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def _bare(door: Any) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "tests.bench.http_bare", str(door.fileno())]
    with subprocess.Popen(argv, cwd=ROOT, pass_fds=[door.fileno()]) as process:
        try:
            yield process
        finally:
            process.terminate()
