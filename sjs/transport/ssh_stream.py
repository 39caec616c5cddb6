"""A program at the other end of an ssh connection, spoken to through one channel."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from sjs.errors import Ended, LinkLost, Unreachable
from sjs.transport.client import Client
from sjs.transport.incoming import Incoming

PIECE = 1 << 15
"""Bytes that are sent at a time, …"""

MOST = 1 << 20
"""… and that are taken. What a fast line brings meanwhile waits for the next time, or the taking would never end."""

TICK = 0.05
"""Seconds for which a sender whose window is full looks away from what comes in."""

QUIET = 5.0
"""Seconds without a word after which the server is asked for a sign of life …"""

SILENCE = 10.0
"""… and for which it may take to give one. The kernel only knows of peers that are gone, not of ones that hang."""

FAREWELL = 2.0
"""Seconds that an exit status may follow later than the end of output."""


class SshStream(Incoming):
    """The reader of paramiko's thread puts what comes into buffers and rings; all waiting here is for that bell."""

    def __init__(self, client: Client, channel: paramiko.Channel, line: str, bell: Bell | None = None) -> None:
        super().__init__()
        self._client = client
        self._channel: Any = channel  # paramiko's own type hides what it is made of
        self._bell = bell or Bell()
        self._ended = False
        self._channel.in_buffer.set_event(self._bell)
        self._channel.in_stderr_buffer.set_event(self._bell)
        with self._translated():
            _execute(self._channel, line)

    def send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        heard = time.monotonic()
        with self._translated():
            while view:
                sent = self._send_some(bytes(view[:PIECE]), deadline)
                view = view[sent:]
                self._drain()
                if sent:
                    heard = time.monotonic()
                elif time.monotonic() > heard + QUIET:
                    self._insist()
                    heard = time.monotonic()

    def hang_up(self) -> None:
        SshStream.close(self)

    def close(self) -> None:
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):  # it may be gone already
            self._channel.close()

    def _send_some(self, piece: bytes, deadline: float) -> int:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(min(left, TICK))
        try:
            sent: int = self._channel.send(piece)
        except TimeoutError:  # it does not read; perhaps because we do not
            return 0
        if not sent:
            raise self._end()
        return sent

    def _more(self, deadline: float) -> None:
        if self._ended:
            raise self._end()
        with self._translated():
            while not self._bell.wait(max(0.0, min(QUIET, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    raise TimeoutError
                self._insist()
            self._drain()

    def _insist(self) -> None:
        """Go on only if the server is there."""
        if not self._client.shows_life(SILENCE):
            raise LinkLost(f"the link to {self._client.hop.endpoint} fell silent")

    def _drain(self) -> None:
        """Take what has come. The bell is stopped and the end is looked for before, so that neither is missed."""
        self._bell.stop()
        ended = self._channel.closed or self._channel.eof_received
        if self._channel.recv_ready():
            self._came(self._channel.recv(MOST))
        if self._channel.recv_stderr_ready():
            self._complained(self._channel.recv_stderr(MOST))
        if self._channel.recv_ready() or self._channel.recv_stderr_ready():
            self._bell.set()
        else:
            self._ended = ended

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """The border that no exception of paramiko passes."""
        try:
            yield
        except TimeoutError:
            raise
        except (paramiko.SSHException, EOFError, OSError):
            raise self._end() from None

    def _end(self) -> Unreachable:
        """Why nothing more can come."""
        self._channel.status_event.wait(FAREWELL)
        status = self._channel.exit_status
        if status != -1:
            return Ended(f"the link broke: {self._last_complaint or f'exit status {status}'}")
        if self._client.is_active() and not self._channel.event_ready:
            return Unreachable(f"{self._client.hop} refuses to run a command")
        if self._client.is_active():
            return LinkLost(f"the program on {self._client.hop.endpoint} ended, and nobody knows how")
        return self._client.trouble("off")


class Bell(threading.Event):
    """An event that paramiko's buffers may set; they would also unset it, each without a look at the other."""

    def stop(self) -> None:
        """What only the reader may do."""
        super().clear()

    def clear(self) -> None:
        """What paramiko calls when one of its buffers is empty: not to be heeded."""


def _execute(channel: Any, line: str) -> None:
    """Run a command there, as Channel.exec_command does, which then waits for a reply without an end. A refusal
    closes the channel; who does not wait saves a round trip."""
    request = paramiko.Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string("exec")
    request.add_boolean(True)
    request.add_string(line)
    channel._event_pending()
    channel.transport._send_user_message(request)
