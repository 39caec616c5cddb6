"""Jump hosts: one connection to each, shared by all machines of a command that are behind it.

Who comes while it is being made waits for it, and shares what it comes to, be it an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from sjs.transport.client import Client

Key = tuple[str, ...]
"""The servers that are passed, the jump host last."""

_lock = threading.Lock()
_gates: dict[Key, Future[Gate]] = {}


class Gate:
    """A connection to a jump host, kept while somebody uses it. `before`: the one through which it goes."""

    def __init__(self, key: Key, client: Client, before: Gate | None) -> None:
        self.client = client
        self._key = key
        self.before = before
        self._users = 0

    def joins(self) -> bool:
        """Let one more use it, if it can still be used."""
        with _lock:
            if self._is_known() and self.client.is_active():
                self._users += 1
                return True
            self._forget()
            return False

    def leave(self) -> None:
        """One does not use it any more; the last one hangs up."""
        with _lock:
            self._users -= 1
            if self._users:
                return
            self._forget()
        self.client.close()
        if self.before is not None:
            self.before.leave()

    def shun(self) -> None:
        """Let nobody else use it: it does not do what it is asked."""
        with _lock:
            self._forget()

    def _is_known(self) -> bool:
        found = _gates.get(self._key)
        return found is not None and found.done() and found.exception() is None and found.result() is self

    def _forget(self) -> None:
        if self._is_known():
            del _gates[self._key]


def enter(key: Key, connect: Callable[[], Gate]) -> Gate:
    """Use the jump host: by the connection that there is, or by a new one."""
    while True:
        with _lock:
            found = _gates.get(key)
            is_mine = found is None
            if found is None:
                found = _gates[key] = Future()
        if is_mine:
            _settle(key, found, connect)
        gate = found.result()
        if gate.joins():
            return gate


def _settle(key: Key, outcome: Future[Gate], connect: Callable[[], Gate]) -> None:
    try:
        outcome.set_result(connect())
    except BaseException as error:  # noqa: BLE001 (raised again by all who wait for it)
        with _lock:
            del _gates[key]
        outcome.set_exception(error)
