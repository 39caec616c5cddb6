"""Hosts under torture, as a process sees them that shares their files, and sees their processes, by other numbers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.live.machine import Machine, wait_for_end
from tests.rig.lab import CLIENT

PROGRAMS = {"keeper": ("keep",), "manager": ("serve", "keep")}
"""What the holder of each lock is executed as; a manager may be about to become the keeper."""

LOGIN = re.compile(rb"sshd(-session)?: [a-z]+[@ ]")


@dataclass(frozen=True)
class Host:
    """A machine of the fleet. `network` is the name of its namespace; "" where it is this machine. Process numbers are
    ours, not those that the host itself knows."""

    name: str
    root: Path
    network: str = ""

    @property
    def machine(self) -> Machine:
        return Machine(self.root)

    def pid(self, who: str) -> int:
        """The process that keeps or manages; 0 when there is none."""
        with contextlib.suppress(OSError, IndexError):
            written = (self.machine.state / f"{who}.lock").read_text().split()[1]
            return next((pid for pid in processes() if self._works_as(pid, who, written)), 0)
        return 0

    def _works_as(self, pid: int, who: str, number: str) -> bool:
        """Whether the process does that there, and is known by the number there."""
        words = command_line(pid)
        does = any(word.encode() in words for word in PROGRAMS[who]) and state(pid) not in ("Z", "X")
        return does and number_at_home(pid) == number and self._has(pid)

    def _has(self, pid: int) -> bool:
        network = f"/run/netns/{self.network}" if self.network else "/proc/self/ns/net"
        with contextlib.suppress(OSError):
            return os.path.samefile(network, f"/proc/{pid}/ns/net")
        return False

    def kill(self, *who: str) -> list[int]:
        """kill -9, all at one moment; who died."""
        pids = sorted({pid for pid in map(self.pid, who) if pid})
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            wait_for_end(pid)
        return pids

    def is_up(self) -> bool:
        keeper, manager = self.pid("keeper"), self.pid("manager")
        return bool(keeper and manager) and keeper != manager and self.machine.door.exists()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """What is sent to it is lost without a word."""
        route = ["ip", "-n", self.network, "route"]
        subprocess.run([*route, "add", "blackhole", f"{CLIENT}/32"], check=True)
        try:
            yield
        finally:
            subprocess.run([*route, "del", "blackhole", f"{CLIENT}/32"], check=True)

    def zombies(self) -> list[int]:
        """Ended processes that keeper or manager have not waited for."""
        ours = {self.pid("keeper"), self.pid("manager")} - {0}
        return [pid for pid in processes() if parent(pid) in ours and state(pid) == "Z"]

    def pipes(self) -> list[str]:
        """All named pipes that are not the door."""
        found = [path for path in self.root.rglob("*") if path.is_fifo() and path != self.machine.door]
        return sorted(str(path.relative_to(self.root)) for path in found)


def asks(homes: Sequence[str]) -> list[int]:
    """The `ask` processes of whoever has one of these homes."""
    wanted = {f"HOME={home}".encode() for home in homes}
    return [pid for pid in processes() if command_line(pid)[-1:] == [b"ask"] and wanted & set(environment(pid))]


def logins() -> list[int]:
    """The servers' processes that each serve one login."""
    return [pid for pid in processes() if LOGIN.match(b" ".join(command_line(pid)))]


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid: int) -> list[bytes]:
    return _words(pid, "cmdline")


def environment(pid: int) -> list[bytes]:
    return _words(pid, "environ")


def state(pid: int) -> str:
    """The letter that /proc has for it; X when it is gone."""
    return _stat(pid)[0]


def parent(pid: int) -> int:
    return int(_stat(pid)[1])


def number_at_home(pid: int) -> str:
    """The number by which the processes of its own machine know it."""
    with contextlib.suppress(OSError):
        match = re.search(r"^NSpid:.*?(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return match[1] if match else ""
    return ""


def _words(pid: int, name: str) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes().rstrip(b"\0").split(b"\0")
    return []


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return ["X", "0"]
