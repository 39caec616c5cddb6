"""Which connections are kept, for whom, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from sjs.errors import LinkLost, NotReached, Unreachable
from sjs.transport import host_keys
from sjs.transport.auth import Attempt, Denied
from sjs.transport.client import Client
from sjs.transport.link import Wish
from sjs.transport.permission import Look, look
from sjs.transport.relayed import RelayedStream
from sjs.transport.remembered import Ways
from sjs.transport.ssh import SshTransport
from sjs.transport.way import Way

OLDEST = 3600.0
"""Seconds after which a connection gets no new streams: what a server has taken away from us since, it shows only to
who comes anew."""

SILENT = 60.0
"""Seconds without a stream after which it is asked for a sign of life first …"""

LIFE = 3.0
"""… and how long it may take to give one. A machine that has slept has connections that nobody has at the other end."""

RESTING = 4
"""Streams that a connection keeps for those who come; a server allows ten (MaxSessions)."""


HOPELESS = 60.0
"""Seconds for which it is not tried again to come in without a person."""

Notice = Callable[[str], None]


class Alone(Exception):
    """A command has to do this itself."""


class _Stale(Exception):
    """A connection that is to be used no more."""


class _Transport(SshTransport):
    """One that asks nobody, and knows no passwords."""

    def _attempt(self, client: Client, password: str, environ: Mapping[str, str]) -> Attempt:
        return Attempt(client)


class Kept:
    """A connection, and sessions over it that nobody uses at the moment."""

    def __init__(self, wish: Wish, way: Way) -> None:
        self._way = way
        self._transport = _Transport(wish.login, wish.environ, self._tell)
        self._files = [*(path for hop in way.hops for path in hop.known_hosts), host_keys.own_file(wish.environ)]
        self._seen: list[Look | None] = []
        self._lock = threading.Lock()
        self._resting: list[tuple[bytes, RelayedStream, bytes]] = []
        self._users = 0
        self._is_retired = False
        self._born = self._used = _now()
        self._notice: Notice = lambda line: None

    def open(self, wish: Wish, notice: Notice) -> tuple[RelayedStream, bytes]:
        """A stream, and what was left with it, if it is one that rests."""
        with self._lock:
            self._connect(notice)
            self._users += 1
            found = self._awakened(wish.name) if wish.name else None
        if found is not None:
            return found
        try:
            return self._begun(wish), b""
        except BaseException:
            self._leave()
            raise

    def give_back(self, stream: RelayedStream, left: tuple[bytes, bytes] | None) -> None:
        """A stream is not used any more; or it is left, under a name and with a note."""
        dropped = [stream]
        with self._lock:
            if left is not None and stream.is_idle() and not self._is_retired:
                self._resting.append((left[0], stream, left[1]))
                dropped = [self._resting.pop(0)[1]] if len(self._resting) > RESTING else []
        for one in dropped:
            one.close()
        self._leave()

    def retire(self) -> None:
        """Take nobody any more; hang up once nobody is left."""
        with self._lock:
            self._is_retired = True
            self._users += 1
        self._leave()

    def told(self) -> dict[str, object]:
        """What a person may want to know of it."""
        clients = list(self._transport.clients())
        return {
            "way": " then ".join(map(str, self._way.hops)),
            "by": ", ".join(str(one.permission) for one in clients),
            "seconds": _now() - self._born,
            "used": self._users,
            "resting": len(self._resting),
            "up": bool(clients) and clients[0].is_active(),
        }

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            self._used = _now()
            is_over = self._is_retired and not self._users
        if is_over:
            self._transport.close()

    def _connect(self, notice: Notice) -> None:
        if self._is_retired:
            raise _Stale
        clients = list(self._transport.clients())
        if clients and clients[0].is_active():
            if not (self._is_fresh() and self._is_allowed(clients) and self._is_alive(clients[0])):
                raise _Stale
            return
        self._notice = notice
        self._transport.connected(self._way)
        self._born, self._seen = _now(), [look(path) for path in self._files]
        if any(one.permission is None for one in self._transport.clients()):
            self._transport.close()
            raise Alone

    def _is_fresh(self) -> bool:
        return _now() - self._born < OLDEST

    def _is_allowed(self, clients: Sequence[Client]) -> bool:
        """Whether it could be made again as it is."""
        return all(one.permission and one.permission.holds() for one in clients) and self._are_known(clients)

    def _are_known(self, clients: Sequence[Client]) -> bool:
        seen = [look(path) for path in self._files]
        if seen != self._seen and not all(map(self._transport.is_known, clients)):
            return False
        self._seen = seen
        return True

    def _is_alive(self, client: Client) -> bool:
        return _now() - self._used < SILENT or client.shows_life(LIFE)

    def _awakened(self, name: bytes) -> tuple[RelayedStream, bytes] | None:
        for resting in [one for one in self._resting if one[0] == name]:
            self._resting.remove(resting)
            _, stream, note = resting
            if stream.is_idle():
                return stream, note
            stream.close()
        return None

    def _begun(self, wish: Wish) -> RelayedStream:
        try:
            return self._transport.open_by(self._way, wish.argv, RelayedStream)
        except (LinkLost, NotReached):
            raise
        except Unreachable:  # its server allows no more sessions: those that rest make room for who comes later
            self._wake_all()
            raise Alone from None

    def _wake_all(self) -> None:
        with self._lock:
            resting, self._resting = self._resting, []
        for _, stream, _ in resting:
            stream.close()

    def _tell(self, line: str) -> None:
        self._notice(line)


class Keeping:
    """All of them."""

    def __init__(self) -> None:
        self._ways = Ways()
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        self._hopeless: dict[str, float] = {}

    def told(self) -> list[dict[str, object]]:
        """What a person may want to know of them."""
        with self._lock:
            return [one.told() for one in self._kept.values()]

    def open(self, wish: Wish, notice: Notice) -> tuple[Kept, RelayedStream, bytes]:
        """A stream for a command. Alone: it needs what only the command has; Unsteady: ask it for the way."""
        way = wish.way or self._ways.find(wish.login, wish.environ)
        key = repr((way, host_keys.own_file(wish.environ)))
        if any(hop.proxy_command for hop in way.hops) or _now() < self._hopeless.get(key, 0.0):
            raise Alone
        try:
            return self._opened(key, way, wish, notice)
        except Denied:
            self._hopeless[key] = _now() + HOPELESS
            raise Alone from None

    def _opened(self, key: str, way: Way, wish: Wish, notice: Notice) -> tuple[Kept, RelayedStream, bytes]:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = Kept(wish, way)
        try:
            return kept, *kept.open(wish, notice)
        except _Stale:
            with self._lock:
                if self._kept.get(key) is kept:
                    del self._kept[key]
            kept.retire()
        return self._opened(key, way, wish, notice)


def _now() -> float:
    """Also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
