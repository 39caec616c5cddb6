"""A real queue in a folder, and a bare client that speaks the wire: what the live tests stand on."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DAEMON = ROOT / "sjs" / "daemon"

DEADLINE = 60.0
"""Seconds until a test gives up waiting: this is a verdict on a hang, never on speed."""


SUBMIT = [sys.executable, "-m", "sjs.cli"]

_PATIENTLY = f"from sjs import routing; from sjs.cli.main import submit; routing.LATE = {DEADLINE}; submit()"
PATIENT = [sys.executable, "-c", _PATIENTLY]
"""The same, where `any` waits for everybody: on a busy machine one may be late, and is passed over in words."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Machine:
    """One folder with a manager. `kill` is kill -9."""

    def __init__(self, root: Path, python: str = sys.executable, daemon: Path = DAEMON) -> None:
        self.root = root
        self.python = python
        self.program = [python, "-I", "-S", str(daemon)]
        self.state = root / ".sjs" / "jobs.pipe"
        self.door = root / "jobs.pipe"

    def start(self, slots: int | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        maximum = [] if slots is None else ["--max-jobs-running", str(slots)]
        command = [*self.program, "job_manager", "--background", "--root", str(self.root), *maximum]
        return subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE, check=True, **more)

    def stop(self) -> None:
        """Stop manager and keeper, and end what runs."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError), self.client() as client:
            if client.refused is None:
                client.ask("stop", kill=True)
        with contextlib.suppress(FileNotFoundError, ValueError):
            wait_for_end(self.keeper_pid)
        self.kill_all()

    def kill_all(self) -> None:
        for name in ("keeper", "manager"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                pid = self._holder(name)
                if b"/sjs/daemon\0" in cmdline(pid):
                    os.kill(pid, signal.SIGKILL)

    @property
    def keeper_pid(self) -> int:
        return self._holder("keeper")

    @property
    def manager_pid(self) -> int:
        return self._holder("manager")

    def kill_manager(self) -> int:
        pid = self.manager_pid
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
        return pid

    def kill_both(self) -> None:
        """Keeper and manager, at once: the keeper has no time to start another manager, nor that to take its place."""
        keeper, manager = self.keeper_pid, self.manager_pid
        for pid, number in ((keeper, signal.SIGSTOP), (manager, signal.SIGKILL), (keeper, signal.SIGKILL)):
            os.kill(pid, number)
        for pid in (keeper, manager):
            wait_for_end(pid)

    def wait_for_another_keeper(self, old: int) -> None:
        def is_there() -> bool:
            try:
                return self.keeper_pid != old
            except IndexError:  # it is just writing down who it is
                return False

        until(is_there, "another keeper")

    def log(self) -> str:
        return (self.state / "manager.log").read_text()

    def client(self, start: str = "-") -> Client:
        return Client(self, start)

    def _holder(self, name: str) -> int:
        return int((self.state / f"{name}.lock").read_text().split()[1])


class Client:
    """One session through `ask`."""

    def __init__(self, machine: Machine, start: str = "-") -> None:
        self._process = subprocess.Popen(
            [*machine.program, "ask"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._number = 0
        self._early: dict[Any, list[dict[str, Any]]] = {}
        self._rest = b""
        try:
            self._write(f"sjs 1\0{machine.root}\0jobs.pipe\0\0{start}\n".encode())
            assert self.line() == b"sjs 1"
            first = json.loads(self.line())
        except BaseException:
            self.close()
            raise
        self.refused = first.get("error")
        self.hello = first.get("hello", {})

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        with self._process, contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def send(self, op: str, **fields: Any) -> int:
        """Send a request; its id."""
        self._number += 1
        message = {"op": op, "id": self._number, **fields}
        self._write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        return self._number

    def reply(self, number: int) -> dict[str, Any]:
        """The next reply to the request, whatever comes in between."""
        while not self._early.get(number):
            message = json.loads(self.line())
            if "bytes" in message:
                message["data"] = self._take(message["bytes"])
            self._early.setdefault(message.get("id"), []).append(message)
        return self._early[number].pop(0)

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        return self.reply(self.send(op, **fields))

    def submit(self, *commands: str, key: str | None = None) -> dict[str, Any]:
        return self.ask("submit", key=key, jobs=[{"command": text} for text in commands])

    def run(self, *commands: str) -> list[dict[str, Any]]:
        """Submit, wait for the end, and give the records."""
        first = self.submit(*commands)["first"]
        span = [first, first + len(commands) - 1]
        self.ask("wait", jobs=[span])
        return list(self.ask("list", jobs=[span])["jobs"])

    def output(self, job: int, stream: str = "out", **fields: Any) -> bytes:
        number = self.send("read", job=job, stream=stream, **fields)
        data = b""
        while True:
            message = self.reply(number)
            if "bytes" not in message:
                assert message["offset"] >= len(data)
                return data
            data += message["data"]

    def line(self) -> bytes:
        while b"\n" not in self._rest:
            self._read()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _take(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._read()
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _read(self) -> None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], DEADLINE)[0]:
            raise TimeoutError("no reply")
        data = os.read(self._process.stdout.fileno(), 1 << 16)
        if not data:
            raise EOFError("the session has ended")
        self._rest += data

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()


def open_files(pid: int) -> list[str]:
    """The paths of what the process has open."""
    folder = Path(f"/proc/{pid}/fd")
    paths = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            paths.append(os.readlink(folder / name))
    return paths


def sessions(manager: int) -> list[str]:
    """The pipes of clients that a manager has open."""
    return [path for path in open_files(manager) if "/sessions/" in path]


def cmdline(pid: int) -> bytes:
    """What the process was executed as, with a NUL behind each word."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def wait_for_end(pid: int) -> None:
    """Until the process is gone (or is a zombie), by the kernel's word."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], DEADLINE)[0], f"process {pid} does not end"
    finally:
        os.close(fd)


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """For the rare thing that no event tells: look again and again, with a deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def running(
    root: Path, slots: int | None = 2, python: str = sys.executable, daemon: Path = DAEMON
) -> Iterator[Machine]:
    """A manager in the folder, gone at the end."""
    root.mkdir(parents=True, exist_ok=True)
    machine = Machine(root, python, daemon)
    try:
        machine.start(slots)
        yield machine
    finally:
        machine.stop()
