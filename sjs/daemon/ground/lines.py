"""JSON lines over a socket that is never waited for: between keeper and manager, and to who waits in a terminal."""

from __future__ import annotations

import json
import selectors
import socket
from typing import Any, Dict, List

from sjs.compact import to_json

PIECE = 1 << 18


class LineSocket:
    """One end. `closed` is set once the other end has gone and all that it sent has been received.

    A stranger's end has a limit: who says more than so many bytes at a time, or no JSON object, is hung up on.
    """

    def __init__(self, connection: socket.socket, selector: selectors.BaseSelector, limit: int = 0) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._selector = selector
        self._limit = limit
        self._in = b""
        self._out = bytearray()
        self.closed = False
        selector.register(connection, selectors.EVENT_READ, self)

    @classmethod
    def resumed(cls, record: Dict[str, Any], selector: selectors.BaseSelector) -> LineSocket:
        """Go on where `hand_over` left off, in another program."""
        link = cls(socket.socket(fileno=record["fd"]), selector, record["limit"])
        link._in = record["in"].encode("latin-1")
        link._out += record["out"].encode("latin-1")
        link._watch()
        return link

    def hand_over(self) -> Dict[str, Any]:
        """This end, for the program that this process becomes."""
        rest = {"in": self._in.decode("latin-1"), "out": self._out.decode("latin-1")}
        return {"fd": self._socket.fileno(), "limit": self._limit, **rest}

    @property
    def pending(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._out) and not self.closed

    def send(self, message: Dict[str, Any]) -> None:
        """Queue a message; `flush` sends it."""
        self._out += to_json(message).encode("ascii") + b"\n"

    def flush(self) -> None:
        """Send what the other end takes now; the rest follows when it can."""
        while self._out and not self.closed:
            try:
                del self._out[: self._socket.send(self._out[:PIECE])]
            except BlockingIOError:
                break
            except (BrokenPipeError, ConnectionResetError):
                self._out.clear()  # what it still sent us is to be read; only then is it closed
        self._watch()

    def receive(self) -> List[Dict[str, Any]]:
        """All whole messages that are there now."""
        while not self.closed:
            try:
                data = self._socket.recv(PIECE)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            self._in += data
            if not data or (self._limit and len(self._in) > self._limit):
                self.close()
        *whole, self._in = self._in.split(b"\n")
        try:
            return _messages(whole, one_by_one=self._limit > 0)
        except (ValueError, RecursionError):
            if not self._limit:
                raise
            self.close()
            return []

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._selector.unregister(self._socket)
            self._socket.close()

    def _watch(self) -> None:
        if not self.closed:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
            if self._selector.get_key(self._socket).events != wanted:
                self._selector.modify(self._socket, wanted, self)


def _messages(lines: List[bytes], one_by_one: bool) -> List[Dict[str, Any]]:
    """What they say; all at once from who is known to send whole ones."""
    found = [json.loads(line) for line in lines] if one_by_one else json.loads(b"[" + b",".join(lines) + b"]")
    if not all(isinstance(message, dict) for message in found):
        raise ValueError("a message is an object")
    return found
