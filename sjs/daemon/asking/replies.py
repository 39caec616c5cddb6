"""In `ask`: answers that it has itself, given as a manager's come."""

from __future__ import annotations

import os
import select
from typing import Any, Callable, Dict, List, Tuple

from sjs import wire
from sjs.errors import SjsError, to_wire


class Replies:
    """Lines that are there at once, behind a descriptor that is readable while there are any."""

    def __init__(self) -> None:
        self.fd, self._bell = os.pipe()
        self.ended = False
        self._lines: List[bytes] = []

    def put(self, line: bytes) -> None:
        if not self._lines:
            os.write(self._bell, b"!")
        self._lines.append(line)

    def lines(self) -> List[bytes]:
        """Those that nobody has taken yet."""
        self.ended = not os.read(self.fd, 1)
        lines, self._lines = self._lines, []
        return lines

    def end(self) -> None:
        """No more will come."""
        os.close(self._bell)


class Answering:
    """Stands where a session with a manager stands, and answers each request at once."""

    def __init__(self, hello: Dict[str, Any], answer: Callable[[Dict[str, Any]], Dict[str, Any]]) -> None:
        self._answer = answer
        self.feed = Replies()
        self.feed.put(wire.encode(hello))

    def send(self, line: bytes) -> None:
        """Answer a request."""
        number: Dict[str, Any] = {}
        try:
            request = wire.decode(line)
            if "id" in request:
                number = {"id": request["id"]}
            reply = self._answer(request)
        except SjsError as error:
            reply = {"error": to_wire(error)}
        self.feed.put(wire.encode({**number, **reply}))

    def flush(self) -> None:
        """Part of a session's shape; here nothing is ever left to send."""

    def wanted(self) -> List[Tuple[int, int]]:
        """What to poll for."""
        return [(self.feed.fd, select.POLLIN)]

    def no_more(self) -> None:
        """The client has nothing more to ask."""
        self.feed.end()
