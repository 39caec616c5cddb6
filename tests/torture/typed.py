"""The gateway as somebody starts it: `./submit gateway` in a clone, with a config.yaml in a home of his own."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.gateway.serving.program import AS_ROOT
from tests.live.machine import DEADLINE, ROOT
from tests.torture.callers import HOST

ENDLESS = ["--rate=1e6", "--burst=1000000000", "--requests=1000000", "--streams=1000000", "--queued=1000000000"]
SHOWN = 2_000
"""Letters of the log, the last ones, that are shown of a gateway that is not ready."""


def clone(folder: Path) -> Path:
    """The tree, as one has it; its environment is the one that the tests run in, so nothing is fetched."""
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "submit").symlink_to("scripts/submit")
    (folder / "sjs").symlink_to(ROOT / "sjs")
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    for place in (folder, folder / ".venv"):
        shutil.copy(ROOT / "setup.cfg", place)
    return folder


@contextlib.contextmanager
def port() -> Iterator[int]:
    """One at which gateways can listen, one after the other, and that is given to nobody else in between."""
    with socket.socket() as keeps:
        keeps.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeps.bind((HOST, 0))
        yield keeps.getsockname()[1]


class Gateway:
    """`said`: its config.yaml. What it writes is in a file, `log`."""

    def __init__(self, folder: Path, said: Mapping[str, Any]) -> None:
        self.log = folder / "log"
        self._home = folder / "home"
        self._submit = str(clone(folder / "clone") / "submit")
        self._said = said["gateway"]
        self._process: subprocess.Popen[bytes] | None = None
        config = self._home / ".config/sjs/config.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(yaml.safe_dump(dict(said)))
        config.chmod(0o600)

    @property
    def port(self) -> int:
        return int(self._said["listen"].rpartition(":")[2])

    @property
    def database(self) -> str:
        """The usual one, if the config names none."""
        return str(self._said.get("database", f"sqlite:///{self._home}/.local/state/sjs/gateway/gateway.db"))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def token(self) -> str:
        """The text of one that may ask as much as it likes."""
        words = [self._submit, "token", "make", "ann", "--scope", "submit,read,cancel,raw", *ENDLESS]
        done = subprocess.run(words, env=self._environ(), stdout=subprocess.PIPE, text=True, timeout=DEADLINE)
        assert done.returncode == 0
        return done.stdout.strip()

    def start(self) -> None:
        """Until it says that it is ready, as it would to systemd."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ears, self.log.open("ab") as log:
            ears.bind("")  # the kernel finds a name
            name = ears.getsockname()[1:].decode()
            words = [self._submit, "gateway", *AS_ROOT]
            self._process = subprocess.Popen(words, env=self._environ(NOTIFY_SOCKET=f"@{name}"), stderr=log)
            ended = os.pidfd_open(self.pid)
            try:
                select.select([ears.fileno(), ended], [], [], DEADLINE)
            finally:
                os.close(ended)
            assert _heard(ears) == b"READY=1", self.log.read_text()[-SHOWN:]

    def kill(self) -> None:
        """kill -9."""
        self._ended(signal.SIGKILL)

    def close(self) -> None:
        """It is gone."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def stop(self) -> int:
        """Its exit status."""
        return self._ended(signal.SIGTERM)

    def _ended(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(DEADLINE)

    def _environ(self, **more: str) -> dict[str, str]:
        """A login's, whatever the tests were started with."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "USER", "LOGNAME") if name in os.environ}
        return {**kept, "HOME": str(self._home), **more}


def _heard(ears: socket.socket) -> bytes:
    """What has come already."""
    with contextlib.suppress(BlockingIOError):
        return ears.recv(100, socket.MSG_DONTWAIT)
    return b""
