"""A stream whose bytes go on to another process: both of its ends are waited for by one poll."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any

from sjs.transport.client import Client
from sjs.transport.ssh_stream import MOST, QUIET, Bell, SshStream

TURN = 60.0
"""Seconds after which nobody waits in one call for room to send; it is told much earlier whether there is some."""


class FdBell(Bell):
    """One that a poll hears, too."""

    def __init__(self) -> None:
        super().__init__()
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._guard = threading.Lock()
        self._is_open = True

    def set(self) -> None:
        super().set()
        with self._guard:  # its number may soon be somebody else's
            if self._is_open:
                os.eventfd_write(self.fd, 1)

    def stop(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has not rung
            os.eventfd_read(self.fd)
        super().stop()

    def close(self) -> None:
        """Never ring again."""
        with self._guard:
            if self._is_open:
                os.close(self.fd)
            self._is_open = False


class RelayedStream(SshStream):
    """One that is read as things come, and not as they are wanted. `bell`: a descriptor that tells when to look."""

    def __init__(self, client: Client, channel: Any, line: str) -> None:
        self._own_bell = FdBell()
        super().__init__(client, channel, line, self._own_bell)
        self._heard = time.monotonic()

    @property
    def bell(self) -> int:
        return self._own_bell.fd

    def some(self) -> bytes:
        """What has come; raises once nothing more can."""
        with self._translated():
            self._drain()
        if self._ended:
            if not self._buffer:
                raise self._end()
            self._own_bell.set()  # nobody else will
        return self._cut(len(self._buffer))

    def rest(self) -> bytes:
        """What has come, after the end."""
        while self._channel.recv_ready():
            self._came(self._channel.recv(MOST))
        return self._cut(len(self._buffer))

    def push(self, data: bytes) -> int:
        """Send of it what there is room for, or nothing after a moment."""
        with self._translated():
            sent = self._send_some(data, time.monotonic() + TURN)
            if not sent:
                self._drain()
                self._own_bell.set()
        if sent:
            self._heard = time.monotonic()
        elif time.monotonic() > self._heard + QUIET:
            self.insist()
        return sent

    def insist(self) -> None:
        """Go on only if the server is there."""
        self._insist()
        self._heard = time.monotonic()

    def is_idle(self) -> bool:
        """Whether nothing has come, and something still could."""
        channel = self._channel
        is_over = self._ended or channel.closed or channel.eof_received or not self._client.is_active()
        return not (is_over or self._buffer or channel.recv_ready())

    def close(self) -> None:
        super().close()
        self._own_bell.close()
