"""Who has sent this process on errands: lines and bytes from one, and to one."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Optional

from sjs import wire
from sjs.daemon.ground.caller import write
from sjs.daemon.ground.places import Places
from sjs.errors import BadRequest

STDIN = 0
PIECE = 1 << 18

Request = Dict[str, Any]
Reply = Dict[str, Any]


class Gone(Exception):
    """The client is not there any more."""


class Astray(BadRequest):
    """Nobody can say where the next request begins."""


class Client:
    """Who is at stdin and stdout. `payload`: the bytes that came with the request that is being answered;
    `enclosed`: those that go with the answer."""

    def __init__(self, fd: int = STDIN) -> None:
        self.fd = fd
        self.payload = b""
        self.enclosed = b""
        self._rest = b""
        self._ended = False

    def request(self, line: bytes) -> Request:
        """What a line asks for, once the bytes that it announces have come: also those that nobody will look at."""
        self.payload = self.enclosed = b""
        request = wire.decode(line)
        size = request.get("bytes", 0)
        if type(size) is not int or not 0 <= size <= wire.MAX_FRAME:
            raise Astray(f"'bytes' must be a whole number from 0 to {wire.MAX_FRAME}, not {size!r:.40}")
        self.payload = self.take(size)
        return request

    def line(self) -> Optional[bytes]:
        """The next line; None when there will be none."""
        while b"\n" not in self._rest and self._more():
            if len(self._rest) > wire.MAX_LINE:
                raise Gone
        line, end, self._rest = self._rest.partition(b"\n")
        return line if end else None

    def take(self, count: int) -> bytes:
        """Exactly so many of the bytes that come next."""
        while len(self._rest) < count:
            if not self._more():
                raise Gone
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    @property
    def has_said_more(self) -> bool:
        """Whether something was read behind the request that is being answered."""
        return bool(self._rest)

    def look(self) -> None:
        """Read what is there, when somebody has seen that there is something; Gone at its end."""
        if not self._more():
            raise Gone

    def reply(self, body: Reply, payload: bytes = b"") -> None:
        """Say something, with the bytes that belong to it."""
        announced = {**body, "bytes": len(payload)} if payload else body
        try:
            write(wire.encode(announced) + payload)
        except BrokenPipeError:
            raise Gone from None

    def _more(self) -> bool:
        if not self._ended:
            data = os.read(self.fd, PIECE)
            self._ended = not data
            self._rest += data
        return not self._ended


Errand = Callable[[Request, Client, Places], Reply]


def texts(request: Request, name: str) -> List[str]:
    """A field that is a list of texts."""
    value = request.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadRequest(f"'{name}' must be a list of texts")
    return value
