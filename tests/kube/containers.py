"""One container: a process of this machine in a folder of its own, and what it wrote."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube.bell import Bell

CHUNK = 1 << 16
NOT_STARTED = 128


@dataclass
class Log:
    """Lines with the time they were written (in ns, each with its own), how many before them were put aside, and
    whether more may come."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    gone: int = 0
    ended: bool = False
    bell: Bell = field(default_factory=Bell)

    def add(self, lines: list[bytes]) -> None:
        for line in lines:
            last = self.lines[-1][0] if self.lines else 0
            self.lines.append((max(time.time_ns(), last + 1), line))
        self.bell.ring()

    def since(self, place: int) -> list[tuple[int, bytes]]:
        """What there is from the line of this number on."""
        return self.lines[max(0, place - self.gone) :]

    def put_aside(self) -> None:
        """What was written is in another file now, which nobody is shown."""
        self.gone += len(self.lines)
        self.lines = []

    def end(self) -> None:
        self.ended = True
        self.bell.ring()


@dataclass
class Process:
    """A command that runs; `status` is its exit status as a shell would show it, once it has ended."""

    argv: list[str]
    env: dict[str, str]
    cwd: Path
    log: Log = field(default_factory=Log)
    started: float = 0.0
    ended: float = 0.0
    status: int | None = None
    trouble: str = ""
    _popen: subprocess.Popen[bytes] | None = None
    _timer: threading.Timer | None = None
    _over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> bool:
        """Whether there is a process now; if not, `trouble` says why."""
        self.started = time.time()
        with self._lock:
            try:
                if self._over:
                    raise InterruptedError(0, "stopped before it was started")
                self._popen = subprocess.Popen(
                    self.argv,
                    env=self.env,
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                self.trouble = _trouble(self.argv, error)
                self.status, self.ended = NOT_STARTED, time.time()
                self.log.end()
                return False
        return True

    def wait(self) -> int:
        """Read what it writes until it has ended; what it left behind ends with it, as with a container."""
        popen = self._popen
        assert popen is not None and popen.stdout is not None
        source = popen.stdout.fileno()
        os.set_blocking(source, False)
        rest = b""
        pidfd = os.pidfd_open(popen.pid)
        try:
            while pidfd not in select.select([source, pidfd], [], [])[0]:
                rest = self._read(source, rest)
        finally:
            os.close(pidfd)
        self._kill(signal.SIGKILL)
        with self._lock:
            self._over = True
        rest = self._read(source, rest)
        if rest:
            self.log.add([rest])
        if self._timer:
            self._timer.cancel()
        code = popen.wait()
        popen.stdout.close()
        self.status, self.ended = (128 - code if code < 0 else code), time.time()
        self.log.end()
        return self.status

    def _read(self, source: int, rest: bytes) -> bytes:
        """Keep the whole lines of what there is now; what is left of the last one."""
        with suppress(BlockingIOError):
            while data := os.read(source, CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                self.log.add([line + b"\n" for line in lines])
        return rest

    def stop(self, grace: float) -> None:
        """Ask it to end, and end it with all it has started when the grace is over."""
        with self._lock:
            if self._popen is None:
                self._over = True
        if grace and self._timer is None:
            self._kill(signal.SIGTERM)
            self._timer = threading.Timer(grace, self._kill, (signal.SIGKILL,))
            self._timer.daemon = True
            self._timer.start()
        elif not grace:
            self._kill(signal.SIGKILL)

    def _kill(self, number: int) -> None:
        """A signal, while it is sure that the number is still this process's."""
        with self._lock, suppress(ProcessLookupError):
            if self._popen is not None and not self._over:
                os.killpg(self._popen.pid, number)


def _trouble(argv: list[str], error: OSError) -> str:
    what = "executable file not found in $PATH" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
    where = (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed"
    )
    return (
        f'{where}: unable to start container process: error during container init: exec: "{argv[0]}": {what}: unknown'
    )
