"""One client's errands, one after the other.

    stdin    sjs 1 NUL root NUL pipe NUL state folder or nothing NUL - [NUL kind], then requests, a line each
    stdout   sjs 1, then a greeting, then replies

That is how `ask` speaks, too, so a client knows one way to speak to a machine. Either side may have bytes follow a line
that announces them. Whoever asks and goes away wants nothing more: what still runs for him is ended.
"""

from __future__ import annotations

import os
from typing import Any, Collection, Dict, Optional, Sequence

from sjs import __version__, wire
from sjs.daemon.ground import kind as kinds
from sjs.daemon.ground.caller import EX_UNAVAILABLE, greet
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.errand.client import Astray, Client, Errand, Gone, Request
from sjs.errors import Refused, SjsError, UnknownRequest, to_wire

MODULES = {
    "facts": ("facts", "time"),
    "checks": ("checks",),
    "slurm": ("slurm", "slurm_queue"),
    "running": ("run",),
    "deploying": ("deploy",),
    "upgrading": ("upgrade",),
    "booting": ("boot",),
    "receiving": ("lay", "put", "head", "remove"),
    "giving": ("tree", "get", "digest", "outputs"),
    "gating": ("gate",),
    "measuring": ("results",),
    "following": ("series",),
    "leaving": ("left", "discard"),
    "keeping": ("lacking", "keep", "seal"),
}
"""Where the errands are that there are. Each is loaded when it is asked for: most sessions are for one of them."""

NARROWED = frozenset(("outputs", "tree", "get", "discard"))
"""Errands by which a gate lets nobody have but what his own jobs have left."""


def main(arguments: Sequence[str] = ()) -> int:
    """Serve the client at stdin and stdout. `arguments`: which errands he may run, where the queue is, and under which
    name he brings jobs, if any are not his; where a gate stands between, which believes no client."""
    client = Client()
    wanted = greet(client.line() or b"")
    if wanted is None:
        return EX_UNAVAILABLE
    try:
        hello = {"version": __version__, "wire": wire.VERSION, "host": os.uname().nodename, "program": OURS.folder}
        client.reply({"hello": hello})
        errands = Errands()
        if arguments:
            allowed, *wanted, name = arguments
            errands = Errands(allowed.split(","), name)
        serve(client, _places(*wanted), errands)
    except Gone:
        return EX_UNAVAILABLE
    return 0


def _places(root: str, pipe: str, state: str, start: str = "", kind: str = "") -> Places:
    return Places(root, pipe, kinds.state_folder(kind, root, pipe, state))


def serve(client: Client, where: Places, errands: Errands) -> None:
    """Until no more requests come."""
    for line in iter(client.line, None):
        number: Dict[str, Any] = {}
        try:
            request = client.request(line)
            number = {"id": request.get("id")}
            op = str(request.get("op"))
            answer = errands.find(op)(errands.narrowed(op, request, where), client, where)
            client.reply({**number, **answer}, client.enclosed)
        except Astray as error:
            client.reply({"error": to_wire(error)})
            return
        except SjsError as error:
            client.reply({**number, "error": to_wire(error)})
        except OSError as error:
            said = f"{error.filename or 'this machine'}: {error.strerror or error}"
            client.reply({**number, "error": to_wire(Refused(said))})


class Errands:
    """What one client may ask; `allowed`: all that there is, if None. Else, of what jobs have left, only those have it
    who brought them under this `name`."""

    def __init__(self, allowed: Optional[Collection[str]] = None, name: str = "") -> None:
        self._allowed = allowed
        self._name = name
        self._own: Any = None
        self._known: Dict[str, Errand] = {}

    def find(self, name: str) -> Errand:
        """The errand of this name."""
        module = _WHERE.get(name)
        if module is None or (self._allowed is not None and name not in self._allowed):
            hint = "the machine may be of an older version, or let you do less"
            raise UnknownRequest(f"no such errand: {name!r:.40}", hint)
        if name not in self._known:
            self._known.update(__import__(f"sjs.errand.{module}", fromlist=["errands"]).errands())
        return self._known[name]

    def narrowed(self, op: str, request: Request, where: Places) -> Request:
        """A request as he may make it. Refused says why it may not be made."""
        if self._allowed is None or op not in NARROWED:
            return request
        if self._own is None:
            from sjs.errand.own import Own

            self._own = Own(self._name, where)
        return dict(self._own.narrowed(op, request))


_WHERE = {name: module for module, names in MODULES.items() for name in names}
