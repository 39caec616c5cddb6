"""Requests that are under way together, so that a thousand of them do not take a thousand times as long as the line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sjs.targets.session import Message, Session

LIMIT = 4 << 20
"""Bytes that are under way: what fast and long lines hold, and less than a stream keeps unread."""

PATIENCE = 300.0
"""Seconds for one answer: what it is about may lie on a slow disk, behind all that was sent before."""

OWN = 1 << 8
"""Bytes that a request takes at least, and each thing that it names: here, too, until it is answered."""

Then = Callable[[Message], None]


class Pipeline:
    """Answers are taken in the order of the requests."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._under_way: deque[tuple[int, int, Then]] = deque()
        self._weight = 0

    def post(self, op: str, then: Then, payload: bytes = b"", fetched: int = 0, **fields: Any) -> None:
        """Send a request with these bytes, or for so many; `then` gets the answer."""
        named = sum(len(one) for one in fields.values() if isinstance(one, list))
        weight = len(payload) + fetched + OWN * (1 + named)
        while self._under_way and self._weight + weight > LIMIT:
            self.settle()
        self._under_way.append((self._session.post(op, payload, PATIENCE, **fields), weight, then))
        self._weight += weight

    def settle(self) -> None:
        """Wait for the answer that is due next."""
        number, weight, then = self._under_way.popleft()
        self._weight -= weight
        then(self._session.answer(number, PATIENCE))

    def drain(self) -> None:
        """Wait for all answers."""
        while self._under_way:
            self.settle()
