"""In the keeper: its one child that is no job. A manager at the other end of a socketpair, and how often it dies."""

from __future__ import annotations

import os
import selectors
import signal
import socket
from typing import Any, Dict, List, Optional

from sjs.daemon.ground.lines import LineSocket
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import Program

CALM = 10.0
"""Seconds over which deaths of the manager are counted."""

PATIENCE = 5
"""Deaths within CALM after which restarts slow down."""

SLOWEST = 10.0


class ManagerProcess:
    """The manager, while there is one: without one `pid` is 0. `record`: what an earlier keeper handed over."""

    def __init__(self, selector: selectors.BaseSelector, record: Optional[Dict[str, Any]] = None) -> None:
        self._selector = selector
        self._link: Optional[LineSocket] = None
        self._tell_at: Optional[float] = None
        self._starts: Dict[str, Dict[str, Any]] = {}  # news of them, held back
        self.pid = 0
        self.ready = False
        if record is not None:
            self.pid, self.ready = record["pid"], record["ready"]
            self._link = None if record["link"] is None else LineSocket.resumed(record["link"], selector)

    def hand_over(self) -> Optional[Dict[str, Any]]:
        """For the record that a successor reads."""
        if not self.pid:
            return None
        self._let_out_starts()
        link = None if self._link is None or self._link.closed else self._link.hand_over()
        return {"pid": self.pid, "ready": self.ready, "link": link}  # without a link it has died, and is to be reaped

    def start(self, program: Program, where: Places, maximum: str) -> None:
        """Start one. OSError: not now."""
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.set_inheritable(True)
            command = program.command("serve", str(theirs.fileno()), where.root, where.pipe, where.state, maximum)
            try:
                self.pid = os.posix_spawn(program.python, command, os.environ)
            except OSError:
                ours.close()
                raise
        self.ready = False
        self._link = LineSocket(ours, self._selector)

    def is_ready(self, ready: List[Any]) -> bool:
        """Whether it has said something."""
        return self._link is not None and self._link in ready

    def hear(self) -> List[Dict[str, Any]]:
        """What it has said."""
        return self._link.receive() if self._link is not None else []

    def send(self, news: Dict[str, Any], by: Optional[float] = None) -> None:
        """Queue news, to be told by that time, or at once. Without a manager, its successor is told by `hello`.

        Of an attempt that ends before its start was told, only the end is: it says both.
        """
        if self._link is None:
            return
        is_late = self._tell_at is None and self._link.pending
        self._tell_at = None if by is None or is_late else min(by, self._tell_at or by)
        if news["on"] == "started":
            self._starts[news["tag"]] = news
            return
        if news["on"] == "ended":
            self._starts.pop(news["tag"], None)
        self._link.send(news)

    def flush(self, now: float) -> None:
        if self._link is not None and (self._tell_at is None or now >= self._tell_at):
            self._tell_at = None
            self._let_out_starts()
            self._link.flush()

    def _let_out_starts(self) -> None:
        if self._link is not None:
            for news in self._starts.values():
                self._link.send(news)
        self._starts.clear()

    def next_time(self) -> Optional[float]:
        """When `flush` is due."""
        return self._tell_at

    def kill(self) -> None:
        """Its end then comes as any other."""
        if self.pid > 1:
            os.kill(self.pid, signal.SIGKILL)

    def bury(self) -> None:
        """It has ended, and what it said was heard."""
        self.pid = 0
        self.ready = False
        self._tell_at = None
        self._starts.clear()
        if self._link is not None:
            self._link.close()
            self._link = None


class Restarts:
    """How soon a manager that died is started again."""

    def __init__(self) -> None:
        self._deaths: List[float] = []

    def delay(self, now: float) -> float:
        """Seconds until the next start, after a death now."""
        self._deaths = [one for one in self._deaths if one > now - CALM] + [now]
        many = len(self._deaths) - PATIENCE
        return min(SLOWEST, 0.1 * 2.0**many) if many > 0 else 0.0
