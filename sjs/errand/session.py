"""One client's errands, one after the other.

    stdin    sjs 1 NUL root NUL pipe NUL state folder or nothing NUL -, then requests, a line each
    stdout   sjs 1, then a greeting, then replies

That is how `ask` speaks, too, so a client knows one way to speak to a machine. Either side may have bytes follow a line
that announces them. Whoever asks and goes away wants nothing more: what still runs for him is ended.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Sequence

from sjs import __version__, wire
from sjs.daemon.ground.caller import EX_UNAVAILABLE, greet
from sjs.daemon.ground.places import Places
from sjs.daemon.ground.program import OURS
from sjs.errand import (
    booting,
    checks,
    deploying,
    facts,
    following,
    gating,
    giving,
    keeping,
    leaving,
    measuring,
    receiving,
    running,
    upgrading,
)
from sjs.errand.client import Astray, Client, Errand, Gone
from sjs.errors import Refused, SjsError, UnknownRequest, to_wire


def main(arguments: Sequence[str] = ()) -> int:
    """Serve the client at stdin and stdout. `arguments`: which errands he may run and where the queue is, where a gate
    stands between, which believes no client."""
    client = Client()
    wanted = greet(client.line() or b"")
    if wanted is None:
        return EX_UNAVAILABLE
    try:
        hello = {"version": __version__, "wire": wire.VERSION, "host": os.uname().nodename, "program": OURS.folder}
        client.reply({"hello": hello})
        errands = table()
        if arguments:
            allowed, *wanted = arguments
            errands = {name: one for name, one in errands.items() if name in allowed.split(",")}
        serve(client, Places(*wanted[:3]), errands)
    except Gone:
        return EX_UNAVAILABLE
    return 0


def serve(client: Client, where: Places, errands: Mapping[str, Errand]) -> None:
    """Until no more requests come."""
    for line in iter(client.line, None):
        number: Dict[str, Any] = {}
        try:
            request = client.request(line)
            number = {"id": request.get("id")}
            errand = errands.get(str(request.get("op")))
            if errand is None:
                raise UnknownRequest(
                    f"no such errand: {request.get('op')!r:.40}",
                    "the machine may be of an older version, or let you do less",
                )
            answer = errand(request, client, where)
            client.reply({**number, **answer}, client.enclosed)
        except Astray as error:
            client.reply({"error": to_wire(error)})
            return
        except SjsError as error:
            client.reply({**number, "error": to_wire(error)})
        except OSError as error:
            said = f"{error.filename or 'this machine'}: {error.strerror or error}"
            client.reply({**number, "error": to_wire(Refused(said))})


def table() -> Dict[str, Errand]:
    """The errands there are, for one client."""
    return {
        "facts": facts.facts,
        "checks": checks.checks,
        "time": facts.time_now,
        "run": running.run,
        "deploy": deploying.deploy,
        "upgrade": upgrading.upgrade,
        "boot": booting.boot,
        **receiving.errands(),
        **giving.errands(),
        "gate": gating.gate,
        "results": measuring.results,
        "series": following.Following().series,
        "left": leaving.left,
        "lacking": keeping.lacking,
        "keep": keeping.keep,
        "seal": keeping.seal,
    }
