"""The commands of a worker, as it sees them: started, signalled and seen to end by its warden."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import traceback
from typing import Any, Callable, Dict, Optional, Sequence

from sjs.values import dataclass
from sjs.worker import warden


@dataclass(frozen=True)
class Ended:
    """How a command ended: its wait status; `why` it never began; neither where nobody knows."""

    status: Optional[int] = None
    why: str = ""

    @property
    def is_well(self) -> bool:
        return self.status == 0

    @property
    def is_known(self) -> bool:
        return self.status is not None or bool(self.why)

    @property
    def signal(self) -> int:
        """The number of the signal that ended it."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else 0

    def __str__(self) -> str:
        if self.status is None:
            return self.why or "nobody knows how it ended"
        if self.signal:
            return f"ended by {_name(self.signal)}"
        return f"exit status {os.WEXITSTATUS(self.status)}"


class Commands:
    """Made before the process has threads. `folder`: goes away with the last of them. `warden`: the pid of their
    parent."""

    def __init__(self, folder: str) -> None:
        self._sock, theirs = socket.socketpair()
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._told: Dict[int, Callable[[Ended], None]] = {}
        self._count = 0
        self._left = b""
        self._is_gone = False
        self.warden = os.fork()
        if self.warden == 0:
            self._sock.close()
            _be_warden(theirs, folder)
        theirs.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def start(self, argv: Sequence[str], env: Dict[str, str], stdin: str, tell: Callable[[Ended], None]) -> int:
        """Start one; its number here. `tell` is called once, when it has ended, by whoever calls `read`."""
        with self._lock:
            self._count += 1
            key = self._count
            self._told[key] = tell
            gone = self._is_gone
        if gone:
            self._ended(key, Ended())
        else:
            self._say({"start": key, "argv": list(argv), "env": env, "stdin": stdin})
        return key

    def signal(self, key: int, number: int) -> None:
        """Signal it and all of its group, if it has not ended."""
        self._say({"signal": key, "number": number})

    def read(self) -> bool:
        """Tell who is to know what has happened; False when the warden is gone, and with it all commands."""
        try:
            came = self._sock.recv(1 << 16)
        except ConnectionError:
            came = b""
        if not came:
            with self._lock:
                self._is_gone = True
                keys = list(self._told)
            for key in keys:
                self._ended(key, Ended())
            return False
        *lines, self._left = (self._left + came).split(b"\n")
        for said in map(json.loads, lines):
            if "failed" in said:
                self._ended(said["failed"], Ended(why=said["why"]))
            else:
                self._ended(said["ended"], Ended(said["status"]))
        return True

    def close(self) -> None:
        """No more of them: those that run are ended."""
        self._sock.close()

    def _ended(self, key: int, how: Ended) -> None:
        with self._lock:
            tell = self._told.pop(key, None)
        if tell is not None:
            tell(how)

    def _say(self, order: Dict[str, Any]) -> None:
        data = json.dumps(order).encode("ascii") + b"\n"
        with self._sending:
            try:
                self._sock.sendall(data)
            except ConnectionError:
                return  # it is gone, which `read` tells


def _be_warden(worker: socket.socket, folder: str) -> None:
    """In a child: never returns."""
    status = 1
    try:
        warden.guard(worker, folder)
        status = 0
    except BaseException:  # noqa: BLE001 (nobody else could say so)
        traceback.print_exc()
    finally:
        os._exit(status)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
