"""OpenSSH servers on high ports of this machine, each with accounts, homes and processes of its own.

A server lives in namespaces of mounts and processes: its /etc/passwd is ours, and whatever it has started ends with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from sjs.transport.way import Login

PASSWORD = "correct horse"
DEADLINE = 60.0

START = """\
set -e
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/shadow /etc/shadow
mount -t tmpfs tmpfs /run
mkdir /run/sshd
exec /usr/sbin/sshd -D -f {folder}/sshd_config -E {folder}/log
"""

CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
PidFile none
LogLevel VERBOSE
PermitRootLogin yes
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UseDNS no
PrintMotd no
KexAlgorithms curve25519-sha256
UsePAM no
"""


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """Make a key; its public part. It has a comment, without which paramiko cannot read half of the ECDSA keys."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "me@here", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


class Sshd:
    """A server. `home`: of its account `worker`; `lines`: of its sshd_config, before all others."""

    def __init__(
        self, folder: Path, lines: Sequence[str] = (), shell: str = "/bin/bash", address: str = "127.0.0.1"
    ) -> None:
        self.folder = folder
        self.address = address
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.key = keygen(folder / "host_key")
        self.port = free_port(address)
        uid = os.getuid()
        (folder / "passwd").write_text(f"worker:x:{uid}:0::{self.home}:{shell}\nsshd:x:65533:0::/run/sshd:/bin/false\n")
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True
        ).stdout
        (folder / "shadow").write_text(f"worker:{hashed.strip()}:19000:0:99999:7:::\n")
        (folder / "authorized_keys").write_text("")
        (folder / "sshd_config").write_text(
            "\n".join([*lines, CONFIG.format(address=address, port=self.port, folder=folder)])
        )
        (folder / "start").write_text(START.format(folder=folder))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sshd:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        wrapper = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private"]
        self._process = subprocess.Popen([*wrapper, "sh", str(self.folder / "start")], stdin=subprocess.DEVNULL)
        until(lambda: "Server listening" in self.log)

    def stop(self) -> None:
        """End it and all that it has started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            (self.folder / "log").unlink(missing_ok=True)

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def count(self, words: str) -> int:
        """How often the log says it."""
        return self.log.count(words)

    @property
    def known(self) -> str:
        """Its line of a known_hosts file."""
        return f"[{self.address}]:{self.port} {self.key}\n"

    def processes(self) -> list[int]:
        """Those that serve a connection, by their pids here."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        server = children[0]
        return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]

    def pause(self, *, on: bool) -> None:
        """Let those that serve a connection stand still, or go on."""
        todo = self.processes()
        while todo:
            pid = todo.pop()
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # those of a login end by and by
                os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)
                todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


class Client:
    """A home folder from which one logs in, with a key that the servers accept."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        (folder / ".ssh").mkdir(parents=True, mode=0o700)
        self.key = folder / ".ssh/id_ed25519"
        self.public = keygen(self.key)
        self.environ: Mapping[str, str] = {"HOME": str(folder), "PATH": os.environ["PATH"]}

    def knows(self, *servers: Sshd) -> None:
        (self.home / ".ssh/known_hosts").write_text("".join(server.known for server in servers))

    def configure(self, text: str) -> None:
        (self.home / ".ssh/config").write_text(text)

    def may_enter(self, *servers: Sshd) -> None:
        for server in servers:
            (server.folder / "authorized_keys").write_text(self.public + "\n")

    def login(self, server: Sshd, **more: object) -> Login:
        given = {"name": "m1", "host": server.address, "port": server.port, "user": "worker", "connect_timeout": 10}
        return Login(**{**given, **more})  # type: ignore[arg-type]


def free_port(address: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        port: int = listener.getsockname()[1]
    return port


def until(is_so: object, seconds: float = DEADLINE) -> None:
    """Wait for a condition."""
    assert callable(is_so)
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
