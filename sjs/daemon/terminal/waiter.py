"""In `job_manager`: somebody at a terminal, who hears from the keeper how it goes and says what is wanted."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from typing import Any, Container, Dict, List, Optional

from sjs.daemon.ground import launch
from sjs.daemon.ground.lines import LineSocket
from sjs.daemon.ground.places import Places

EX_UNAVAILABLE = 69


class Waiter:
    """Somebody at a terminal, connected to the keeper."""

    def __init__(self, where: Places) -> None:
        self._where = where
        self._selector = selectors.DefaultSelector()
        self._link: Optional[LineSocket] = None
        self._heard: List[Dict[str, Any]] = []
        self._wakeup, writing = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)

    @property
    def connected(self) -> bool:
        return self._link is not None and not self._link.closed

    def connect(self) -> bool:
        """Whether there is a keeper to talk to."""
        try:
            self._link = LineSocket(launch.connect(self._where), self._selector)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def send(self, message: Dict[str, Any]) -> None:
        if self._link is not None:
            self._link.send(message)
            self._link.flush()

    def wait(self, seconds: Optional[float] = None) -> Dict[str, Any]:
        """The keeper's next word; {} when there is none in time, or the keeper is gone."""
        while not self._heard and self.connected and self._selector.select(seconds):
            self._on_signals()
            self._heard += self._link.receive() if self._link else []
        return self._heard.pop(0) if self._heard else {}

    def wait_for(self, events: Container[str], seconds: float) -> Dict[str, Any]:
        """The first of these events; {} when there is none in time, or the keeper is gone."""
        until = time.monotonic() + seconds
        while True:
            event = self.wait(max(0.0, until - time.monotonic()))
            if not event or event.get("event") in events:
                return event

    def until_stopped(self) -> int:
        """Wait for the end; Ctrl-C, TERM and a closed terminal ask for it."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: None)
        while self._heard or self.connected or self._reconnect():
            event = self.wait()
            if event.get("event") == "stopped":
                return self._farewell(int(event["running"]))
        sys.stderr.write(f"job_manager: the keeper is gone; see {self._where.log}\n")
        return EX_UNAVAILABLE

    def _reconnect(self) -> bool:
        """A keeper that died is replaced by its manager; then there is a new socket, soon."""
        for _ in range(40):
            if self.connect():
                return True
            self._selector.select(0.25)
            self._on_signals()
        return False

    def _on_signals(self) -> None:
        try:
            numbers = os.read(self._wakeup, 64)
        except BlockingIOError:
            return
        if numbers:
            self.send({"do": "stop"})

    def _farewell(self, running: int) -> int:
        left = f"; {running} job(s) go on" if running else ""
        sys.stderr.write(f"job_manager: stopped{left}\n")
        return 0
