"""A job's output, read over a link that may break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sjs.errors import Unreachable
from sjs.protocols import Piece
from sjs.targets.session import Message, Session, soon

SLICE = 60.0
"""Seconds of silence after which a wait is asked anew, or a manager whose output we follow is asked for a sign."""


class Reading:
    """A job's output while it is being read: how far each stream has come, whatever happens to the link."""

    def __init__(self, job: int, follow: bool, lines: int | None, streams: Sequence[str]) -> None:
        self._asked: dict[str, Any] = {"job": job, "follow": follow}
        # Where the last lines of an output begin, only the machine knows, and it tells with the first of them.
        self._offsets: dict[str, int | None] = dict.fromkeys(streams, None if lines is not None else 0)
        self._lines = lines
        self._begun = False
        self._session: Session | None = None
        self._numbers: dict[int, str] = {}

    @property
    def done(self) -> bool:
        """Whether all streams have come to their ends."""
        return not self._offsets

    def next(self, session: Session) -> Message | None:
        """The next message; None when there was silence, and the manager is well."""
        if session is not self._session:
            self._request(session)
        try:
            return session.next(self._numbers, soon(SLICE))
        except TimeoutError:
            session.call("report", head=0)
            return None

    def pieces(self, message: Message | None) -> Iterator[Piece]:
        """What a message brings, after which its stream is further on, or at its end."""
        if message is None:
            return
        stream = self._numbers[message.id]
        if "end" in message.body:
            del self._offsets[stream]
            return
        self._begun = True
        start = message.body.get("offset", self._offsets[stream])
        if start is not None:
            self._offsets[stream] = int(start) + len(message.payload)
        yield Piece(stream, message.payload)

    def _request(self, session: Session) -> None:
        if self._begun and None in self._offsets.values():
            raise Unreachable("the link broke, and how much had been shown is not known", "ask for the output again")
        self._numbers = {}
        for stream, offset in self._offsets.items():
            place = {"lines": self._lines} if offset is None else {"offset": offset}
            self._numbers[session.post("read", stream=stream, **self._asked, **place)] = stream
        self._session = session
