"""A real gateway in a process of its own, which may be killed and served anew, and real workers of it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from sjs.gateway.settings import usual
from tests.gateway import program

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 60.0

USUAL = [{"name": "cut"}, {"name": "paste"}, {"name": "done"}]


def until(found: Callable[[], T], what: str) -> T:
    """What that gives as soon as it gives something. For what nobody can be told of: it is asked again and again."""
    end = time.monotonic() + DEADLINE
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Worker:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def told_to_end(self) -> tuple[int, str]:
        """Have it end, once it hears that it is to."""
        until(self._hears_term, "a worker that has begun")
        self.signal(signal.SIGTERM)
        return self.ended()

    def _hears_term(self) -> bool:
        """Whether it has ended, or has a handler for the signal: a Python that is still starting would die of it."""
        if self.process.poll() is not None:
            return True
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def ended(self) -> tuple[int, str]:
        """Its exit status, and what it said on stderr, once it has ended."""
        _, err = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, err


class Gateway:
    """In `folder`; at one socket, however often it is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._door = program.listening()
        self._process: subprocess.Popen[bytes] | None = None
        self.token = program.prepared(usual(str(folder)))
        self.url = f"http://{program.HOST}:{self._door.getsockname()[1]}"
        self.client = httpx.Client(
            base_url=f"{self.url}/api/v1/stages",
            headers={"authorization": f"Bearer {self.token}"},
            timeout=DEADLINE,
            trust_env=False,
        )

    def serve(self) -> None:
        """Have it serve, the first time or again."""
        self._process = program.started({}, str(self._folder), self._door)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """Kill it. Who asks meanwhile waits for the next one."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
        self._process = None

    def close(self) -> None:
        self.client.close()
        self.kill()
        self._door.close()


class Rig:
    """`folder`: for the commands, too; `pipeline`: nobody else's."""

    _pipelines = itertools.count()

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self.folder = folder
        self.pipeline = f"p{next(self._pipelines)}"
        self._workers: list[subprocess.Popen[str]] = []
        self._count = 0
        (folder / "token").touch(0o600)
        (folder / "token").write_text(gateway.token + "\n")

    def close(self) -> None:
        for one in self._workers:
            if one.poll() is None:
                one.kill()
            one.communicate()

    # Pipelines

    def define(self, *stages: Mapping[str, Any]) -> None:
        self._asked(
            "PUT", f"/{self.pipeline}", {"stages": stages or [{"name": "cut"}, {"name": "paste"}, {"name": "done"}]}
        )

    def add(self, *commands: Any, **more: Any) -> None:
        """Add items, which are numbered from 0 on."""
        for start in range(0, len(commands), 1000):
            some = commands[start : start + 1000]
            new = [{"command": one, "number": self._count + at, **more} for at, one in enumerate(some)]
            self._asked("POST", f"/{self.pipeline}/items", {"items": new})
            self._count += len(new)

    def item(self, number: int) -> dict[str, Any]:
        """An item, with its history."""
        found: dict[str, Any] = self._asked("GET", f"/{self.pipeline}/items/{number}")
        return found

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: int | None = -1
        while after is not None:
            page = self._asked("GET", f"/{self.pipeline}/items?limit=1000&after={after}")
            found += page["items"]
            after = page["next"]
        return found

    def move(self, number: int, stage: int) -> None:
        self._asked("PATCH", f"/{self.pipeline}/items/{number}", {"stage": stage})

    def done(self) -> int:
        """How many stages all items have behind them."""
        stages = self._asked("GET", f"/{self.pipeline}")["stages"]
        return sum(int(one["stage"]) * int(one["total"]) for one in stages)

    def steps(self, number: int) -> list[str]:
        """What was done with an item."""
        return [one["what"] for one in self.item(number)["history"]]

    def _asked(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.gateway.client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    # Workers

    def worker(self, *words: str, stage: str = "cut", url: str = "", env: Mapping[str, str] | None = None) -> Worker:
        """Start one with these options and this command."""
        said = [url or self.gateway.url, self.pipeline, "--stage", stage, "--token-file", str(self.folder / "token")]
        return self.typed(*said, *words, env=env)

    def typed(self, *words: str, env: Mapping[str, str] | None = None) -> Worker:
        """Start one that is told this."""
        environ = {**os.environ, "HOME": str(self.folder), "PYTHONPATH": str(ROOT), **(env or {})}
        process = subprocess.Popen(
            [sys.executable, "-m", "sjs.cli", "--no-link", "worker", *words],
            cwd=self.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._workers.append(process)
        return Worker(process)

    # What commands do, and what they are told

    def stub(self, body: str) -> Sequence[str]:
        """A command that says in the file `began` who it is, and goes on so."""
        path = f'"{self.folder}/began.$SJS_ITEM"'
        return ["--", "sh", "-c", f"echo $$ > {path}.new; mv {path}.new {path}; {body}"]

    def began(self, number: int) -> int:
        """The process of an item's command, once it has begun."""
        path = self.folder / f"began.{number}"
        until(path.exists, f"the command of item {number}")
        return int(path.read_text())

    def let_go(self) -> None:
        """Have those end that wait for it."""
        (self.folder / "go").touch()

    @property
    def waits(self) -> str:
        """What a command waits with until it is let go."""
        return f'while ! [ -e "{self.folder}/go" ]; do sleep 0.05; done'
