"""A job's output, read over a link that may break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sjs.answers import Piece
from sjs.core.lifecycle import MOVED
from sjs.errors import Refused, Unreachable
from sjs.targets.session import Message, Session, soon

SLICE = 60.0
"""Seconds of silence after which a wait is asked anew, or a manager whose output we follow is asked for a sign."""


class Reading:
    """A job's output while it is being read: how far each stream has come, whatever happens to the link. `begin`: where
    each begins, in the words of the request; a place in a file the machine tells with what it sends."""

    def __init__(self, asked: Mapping[str, Any], streams: Sequence[str], begin: Mapping[str, Any]) -> None:
        self._asked = asked
        self._places: dict[str, Mapping[str, Any] | None] = dict.fromkeys(streams, begin)
        self._session: Session | None = None
        self._numbers: dict[int, str] = {}

    @property
    def done(self) -> bool:
        """Whether all streams have come to their ends."""
        return not self._places

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
            del self._places[stream]
            _check_place(self._asked, message.body["end"] or {})
            return
        start = message.body.get("offset", (self._places[stream] or {}).get("offset"))
        attempt = {"attempt": message.body["attempt"]} if "attempt" in message.body else {}
        self._places[stream] = None if start is None else {"offset": int(start) + len(message.payload), **attempt}
        yield Piece(stream, message.payload, start)

    def _request(self, session: Session) -> None:
        _check_attempts(self._asked, session)
        self._numbers = {}
        for stream, place in self._places.items():
            if place is None:
                raise Unreachable(
                    "the link broke, and how much had been shown is not known", "ask for the output again"
                )
            self._numbers[session.post("read", stream=stream, **self._asked, **place)] = stream
        self._session = session


def size_of(session: Session, asked: Mapping[str, Any]) -> int:
    """Where the output that is asked for ends by now: none of its lines are sent, only that."""
    _check_attempts(asked, session)
    body = session.call("read", **asked, follow=False, lines=0)
    _check_place(asked, body["end"] or {})
    return int(body["offset"])


def _check_attempts(asked: Mapping[str, Any], session: Session) -> None:
    if "of" in asked and not session.hello.get("attempts"):
        raise Refused("its manager shows the output of the last attempt alone", "`upgrade` puts a newer one there")


def _check_place(asked: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """The output of a job that has moved is where it is now."""
    if record.get("state") == MOVED:
        there, _, number = str(record.get("detail")).rpartition(":")
        raise Refused(f"job {asked['job']} was moved: it is {there}:{number} now", f"submit {there} logs {number}")
