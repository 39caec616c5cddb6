"""The real program: a gateway in a process of its own, and those who ask it."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sjs.cli.main import run
from tests.live.machine import DEADLINE, ENVIRONMENT


class Outcome(NamedTuple):
    """What came of a command: `err` in lines."""

    status: int
    out: str
    err: Sequence[str]


AS_ROOT = ["--allow-root"] if os.geteuid() == 0 else []
READY = "is ready"


class Gateway:
    """`said`: what its config says under `gateway:`; `log`: what it has written, line by line."""

    def __init__(self, folder: Path, said: Mapping[str, Any] | None = None, managers: object = None) -> None:
        self.folder = folder
        self.config = folder / "gateway.yaml"
        usual = {"folder": str(folder / "kept"), "listen": "127.0.0.1:0", "farewell": "20s"}
        self.tell({**usual, **(said or {})}, managers)
        self.log: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.before: Sequence[str] = ()
        """Words for a Python that becomes the program, with the descriptors that it inherits."""
        self.inherits: Sequence[int] = ()

    def tell(self, said: Mapping[str, Any], managers: object = None) -> None:
        nobody = {"away": {"transport": "local", "root": str(self.folder / "away")}}
        body = {"gateway": dict(said), "managers": managers or nobody}
        self.config.write_text(yaml.safe_dump(body))
        self.config.chmod(0o600)

    def types(self, *words: str) -> Outcome:
        """`submit` with these words, and our config, in this process."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = run("submit", ["--config", str(self.config), *words])
        return Outcome(status, out.getvalue(), err.getvalue().splitlines())

    def token(self, *words: str, owner: str = "ann") -> str:
        """A new one, for whatever it is if nothing is said."""
        done = self.types("token", "make", owner, *(words or ("--scope", "submit,read,cancel,raw")))
        assert done.status == 0, done
        return done.out.strip()

    def runs(self, *words: str) -> Outcome:
        """The same as `types`, in a process of its own."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=DEADLINE, env=self._environ({})
        )
        return Outcome(done.returncode, done.stdout, done.stderr.splitlines())

    def start(self, *words: str, until: str = READY, **environ: str) -> None:
        """Until it is ready."""
        before = [sys.executable, *self.before] if self.before else []
        command = [*before, *self.command("gateway", *AS_ROOT, *words)]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=self._environ(environ), pass_fds=self.inherits
        )
        self.log, self.raw = [], []
        self._told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="stderr of the gateway")
        self._reader.start()
        while until not in (text := self._told.get(timeout=DEADLINE)):
            assert text, f"it has ended: {self.raw}"

    def _read(self) -> None:
        assert self.process and self.process.stderr
        for text in self.process.stderr:
            self.raw.append(text)
            with contextlib.suppress(ValueError):
                self.log.append(json.loads(text))
            self._told.put(text)
        self._told.put("")

    def hear(self, said: str) -> None:
        """Until it has written that."""
        while said not in (text := self._told.get(timeout=DEADLINE)):
            assert text, f"it has ended: {self.raw}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit status."""
        assert self.process and self.process.stderr
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """How it ends by itself."""
        assert self.process and self.process.stderr
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        self.process.stderr.close()
        return status

    def close(self) -> None:
        if self.process:
            self.stop(signal.SIGKILL)

    @property
    def places(self) -> list[str]:
        """Where it listens."""
        return [line["message"].rpartition(" ")[2] for line in self.log if " listens at " in line.get("message", "")]

    @property
    def port(self) -> int:
        return int(self.places[0].rpartition(":")[2])

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "sjs.cli", "--config", str(self.config), *words]

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**ENVIRONMENT, "HOME": str(self.folder), "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": "", **more}


def ask(
    at: http.client.HTTPConnection, method: str, path: str, token: str = "", body: Any = None, **headers: str
) -> tuple[int, Any]:
    """One request, after which the connection is closed; its status, and what it says."""
    with contextlib.closing(at):
        return asked(at, method, path, token, body, **headers)


def asked(
    at: http.client.HTTPConnection, method: str, path: str, token: str = "", body: Any = None, **headers: str
) -> tuple[int, Any]:
    """The same on one that is kept."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        said["authorization"] = f"Bearer {token}"
    if body is not None:
        said["content-type"] = "application/json"
    at.request(method, path, None if body is None else json.dumps(body), said)
    answer = at.getresponse()
    text = answer.read()
    return answer.status, json.loads(text) if text else None


def by_tcp(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)


class ByPath(http.client.HTTPConnection):
    """By a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self._path)
