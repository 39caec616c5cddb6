"""A program on this machine, spoken to through pipes. One thread, no busy waiting: every wait is a poll with an end."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from typing import IO, TypeVar

from sjs.errors import Ended, Unreachable
from sjs.transport.incoming import MAX_COMPLAINT, Incoming

PIECE = 1 << 18
FAREWELL = 2.0
"""Seconds that a program has to end itself once its input has ended."""

AnyLocalStream = TypeVar("AnyLocalStream", bound="LocalStream")


class LocalTransport:
    """This machine."""

    def open(self, argv: Sequence[str]) -> LocalStream:
        """Run a program."""
        return start(argv, LocalStream)

    def close(self) -> None:
        """There is nothing that streams share."""


class LocalStream(Incoming):
    """The pipes of one child. What it sends is also read while we send, so the two never wait for each other."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._process = process
        self._stdin, self._stdout, self._stderr = _pipes(process)
        self._ended = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        try:
            while view:
                if self._turn(deadline):
                    view = view[self._write(view) :]
        finally:
            self._selector.unregister(self._stdin)

    def hang_up(self) -> None:
        self._process.kill()

    def close(self) -> None:
        if self._stdin.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        self._stdout.close()
        self._stderr.close()

    def _more(self, deadline: float) -> None:
        if self._ended:
            raise self._end()
        self._turn(deadline)

    def _turn(self, deadline: float) -> bool:
        """Wait until something can be done, read what there is; whether stdin takes more."""
        left = deadline - time.monotonic()
        ready = self._selector.select(left) if left > 0 else []
        if not ready:
            raise TimeoutError
        for key, _ in ready:
            if key.fileobj is self._stdout:
                self._read()
            elif key.fileobj is self._stderr:
                self._listen()
        return any(key.fileobj is self._stdin for key, _ in ready)

    def _read(self) -> None:
        data = os.read(self._stdout.fileno(), PIECE)
        if not data:
            self._ended = True
            self._selector.unregister(self._stdout)
        self._came(data)

    def _listen(self) -> bool:
        """Keep the end of what it complains of; whether there was anything."""
        try:
            data = os.read(self._stderr.fileno(), MAX_COMPLAINT)
        except BlockingIOError:
            return False
        self._complained(data)
        if not data and self._stderr.fileno() in self._selector.get_map():
            self._selector.unregister(self._stderr)
        return bool(data)

    def _write(self, view: memoryview) -> int:
        try:
            return os.write(self._stdin.fileno(), view[:PIECE])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise self._end() from None

    def _end(self) -> Unreachable:
        """Why the child is gone: its last complaint, else how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL)
        while self._listen():
            pass
        return Ended(f"the link broke: {self._last_complaint or f'exit status {self._process.returncode}'}")


def start(argv: Sequence[str], kind: type[AnyLocalStream]) -> AnyLocalStream:
    """Run a program here, in a session of its own: Ctrl-C at our terminal is ours to handle."""
    try:
        process = subprocess.Popen(
            list(argv),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Unreachable(f"cannot run {argv[0]}: {error.strerror}") from None
    return kind(process)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert process.stdin and process.stdout and process.stderr
    for pipe in (process.stdin, process.stderr):
        os.set_blocking(pipe.fileno(), False)
    return process.stdin, process.stdout, process.stderr
