"""In the manager: answers to clients of simple-job-submit, each for a pipe that its client may not have opened yet."""

from __future__ import annotations

import errno
import os
from typing import List, Optional

from sjs.daemon.ground import places
from sjs.daemon.ground.notes import note

RETRIES = (0.001, 0.002, 0.005, 0.010, 0.020, 0.050, 0.100, 0.250)
"""Seconds between looks at a reply pipe that its client has not opened yet: it writes first and opens afterwards."""

REPLY_PATIENCE = 10.0

MAX_REPLIES = 4096
"""Replies that wait for their readers. One more, and the oldest is given up: who writes requests need read nothing."""


class _Reply:
    """A reply for a pipe that its client may not have opened yet."""

    def __init__(self, port: str, data: bytes, now: float) -> None:
        self.port = port
        self.data = data
        self.fd = -1
        self.tries = 0
        self.due = now
        self.give_up = now + REPLY_PATIENCE


class ReplyPipes:
    """All that were not taken yet. The pipes are in the folder `root`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._replies: List[_Reply] = []

    def __len__(self) -> int:
        return len(self._replies)

    def add(self, port: str, data: bytes, now: float) -> None:
        """Queue an answer for the pipe of that name."""
        if len(self._replies) == MAX_REPLIES:
            note(f"{MAX_REPLIES} replies wait for readers; {self._replies[0].port} gets none any more")
            self._give_up(self._replies.pop(0))
        self._replies.append(_Reply(port, data, now))

    def flush(self, now: float) -> None:
        """Write what can be written."""
        self._replies = [one for one in self._replies if one.due > now or not self._deliver(one, now)]

    def next_time(self) -> Optional[float]:
        """When a pipe is to be looked at again."""
        return min((one.due for one in self._replies), default=None)

    def _deliver(self, reply: _Reply, now: float) -> bool:
        """Whether the reply is done with: written, or given up."""
        try:
            if reply.fd < 0:
                reply.fd = places.open_pipe(os.path.join(self._root, reply.port), os.O_WRONLY, private=False)
            reply.data = reply.data[os.write(reply.fd, reply.data) :]
            if not reply.data:
                os.close(reply.fd)
                return True
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT, errno.EAGAIN):
                note(f"no reply to {reply.port}: {error}")
                return self._give_up(reply)
        if now >= reply.give_up:
            note(f"nobody read the reply in {reply.port} for {REPLY_PATIENCE:g} s")
            return self._give_up(reply)
        reply.due = now + RETRIES[min(reply.tries, len(RETRIES) - 1)]
        reply.tries += 1
        return False

    def _give_up(self, reply: _Reply) -> bool:
        if reply.fd >= 0:
            os.close(reply.fd)
        return True
