"""In the keeper: the people at its socket, who wait in a terminal or want something of it."""

from __future__ import annotations

import os
import selectors
import socket
from typing import Any, Dict, List, Optional, Tuple

from sjs.daemon.ground.lines import LineSocket
from sjs.daemon.ground.notes import note
from sjs.daemon.ground.places import Places

MAX_WAITING = 64
"""One more is hung up on."""

MAX_WISH = 4096
"""Bytes that one of them may say at a time."""

PAUSE = 1.0
"""Seconds for which nobody is let in after that failed, for want of descriptors."""

Wish = Dict[str, Any]


class Lobby:
    """Everybody who is connected. `record`: what an earlier keeper handed over."""

    def __init__(
        self, where: Places, selector: selectors.BaseSelector, record: Optional[Dict[str, Any]] = None
    ) -> None:
        self._selector = selector
        self._listener = _listen(where) if record is None else socket.socket(fileno=record["fd"])
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self)
        self._people = [LineSocket.resumed(one, selector) for one in (record or {}).get("people", [])]
        self._open_at: Optional[float] = None

    def hand_over(self) -> Dict[str, Any]:
        """For the record that a successor reads."""
        people = [one.hand_over() for one in self._people if not one.closed]
        return {"fd": self._listener.fileno(), "people": people}

    def collect(self, ready: List[Any], now: float) -> List[Tuple[LineSocket, Wish]]:
        """Let in who knocks, and take what is wished."""
        if self in ready:
            self._welcome(now)
        elif self._open_at is not None and now >= self._open_at:
            self._open_at = None
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        wishes = [(one, wish) for one in self._people for wish in one.receive()]
        self._people = [one for one in self._people if not one.closed]
        return wishes

    def say(self, event: Dict[str, Any]) -> None:
        """To everybody."""
        for one in self._people:
            one.send(event)

    def flush(self) -> None:
        for one in self._people:
            one.flush()

    @property
    def pending(self) -> bool:
        """Whether somebody has not yet been told all."""
        return any(one.pending for one in self._people)

    def next_time(self) -> Optional[float]:
        """When `collect` is to be called even if nobody knocks."""
        return self._open_at

    def _welcome(self, now: float) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return  # who knocked has gone
        except OSError as error:  # it would knock without an end: nobody is heard for a while
            note(f"nobody can be let in for {PAUSE:g} s: {error}")
            self._selector.unregister(self._listener)
            self._open_at = now + PAUSE
            return
        if len(self._people) < MAX_WAITING:
            self._people.append(LineSocket(connection, self._selector, MAX_WISH))
        else:
            connection.close()


def _listen(where: Places) -> socket.socket:
    """Listen in the state folder, whose path may be longer than a socket's name can be."""
    folder = os.open(where.state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.path.lexists(where.keeper_socket):
            os.unlink(where.keeper_socket)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"/proc/self/fd/{folder}/{os.path.basename(where.keeper_socket)}")
    finally:
        os.close(folder)
    listener.listen(16)
    return listener
