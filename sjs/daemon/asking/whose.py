"""Whose jobs are whose: of somebody who is no manager, and asks the queue's."""

from __future__ import annotations

import select
import time
from typing import Any, Dict, List, Optional, Set

from sjs import wire
from sjs.daemon.asking.ask import DEADLINE, Refusal, find_manager
from sjs.daemon.ground.places import Places
from sjs.errors import NoManager, Refused, SjsError, from_wire


def heard(peer: Any) -> Dict[str, Any]:
    """The next that a manager says; nothing, if it does not say anything any more."""
    poll = select.poll()
    poll.register(peer.feed.fd, select.POLLIN)
    until = time.monotonic() + DEADLINE
    lines: List[bytes] = []
    while not lines and not peer.feed.ended and poll.poll(max(0.0, until - time.monotonic()) * 1000):
        lines = peer.feed.lines()
    return wire.decode(lines[0]) if lines else {}


def greeting(peer: Any) -> Dict[str, Any]:
    """A manager's greeting. One that does not know whose jobs are whose is of no use: it would let everybody change all
    of them. Refusal says so."""
    hello = heard(peer).get("hello")
    if not isinstance(hello, dict) or hello.get("submitters") is not True:
        raise Refusal(
            "refused", "what manages this queue does not know whose jobs are whose", "its owner can upgrade it"
        )
    return hello


class Whose:
    """The jobs that somebody has brought. Each is asked about once: a number is never another job's."""

    def __init__(self, where: Places, name: str) -> None:
        self._where = where
        self._name = name
        self._peer: Any = None
        self._known: Set[int] = set()

    def check(self, job: int) -> None:
        """Refused for a job that somebody else has brought; NoManager where nobody can say."""
        if job in self._known:
            return
        record = self._record(job)
        if not isinstance(record, dict) or record.get("submitter") != self._name:
            raise Refused(f"job {job} was not brought by {self._name}", "only who brought it has what it left")
        self._known.add(job)

    def _record(self, job: int) -> Any:
        said = self._asked(job) or self._asked(job)  # the manager whom we knew may have gone since
        if said is None:
            raise NoManager("the queue's manager went away before it could say whose jobs are whose", "ask again")
        if "error" in said:
            raise from_wire(said["error"])
        return said.get("job")

    def _asked(self, job: int) -> Optional[Dict[str, Any]]:
        try:
            if self._peer is None:
                self._peer = find_manager(self._where.root, self._where.pipe, self._where.state, "-")
                greeting(self._peer)
            self._peer.send(wire.encode({"op": "details", "id": 1, "job": job}))
            said = heard(self._peer)
        except Refusal as refusal:
            self._peer = None
            raise from_wire(dict(zip(("code", "message", "hint"), refusal.args))) from None
        except (OSError, SjsError):
            said = {}
        if not said:
            self._peer = None
        return said or None
