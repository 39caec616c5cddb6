"""The sockets of a connection to an API server: so another thread can end what is waited for there. urllib3 gives no
hold on a request that has no answer yet, as that for the log of a pod which has printed nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sjs.departure import Departed

if TYPE_CHECKING:
    from urllib3 import PoolManager


class Sockets:
    """Those that there are. Once they were cut there are no more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakSet[socket.socket] = WeakSet()
        self._is_cut = False

    def know(self, manager: PoolManager) -> None:
        """From now on, all that this one opens."""
        manager.pool_classes_by_scheme = {
            scheme: _known(pool, self) for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def add(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)
            if self._is_cut:
                _shut(one)

    def cut(self) -> None:
        """Have all who wait for something here wait no more; from any thread."""
        with self._lock:
            self._is_cut = True
            for one in self._open:
                _shut(one)

    def check(self) -> None:
        """Departed, if they were cut."""
        if self._is_cut:
            raise Departed("whoever asked has gone")


def _known(pool: Any, sockets: Sockets) -> Any:
    """The same class of pools, whose connections are told of."""

    class Told(pool.ConnectionCls):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            found: Any = self.sock
            sockets.add(getattr(found, "socket", found))  # TLS within that of a proxy has one within it

    return type(pool.__name__, (pool,), {"ConnectionCls": Told})


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # it was closed, or nobody is there any more
        socket.socket.shutdown(one, socket.SHUT_RDWR)  # not that of TLS, which whoever reads is in the middle of
