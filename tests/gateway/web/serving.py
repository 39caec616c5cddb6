"""A gateway without targets in a process of its own, to be looked at from outside: `serving.py FOLDER`.

Prints its port and a token, as JSON. Then, for each line that it reads: a number is so many events, each in a
transaction of its own; it prints how many kB it takes. It ends with its input.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from functools import partial

from sjs.config import from_mapping
from sjs.gateway import tokens
from sjs.gateway.desk import Desk, opened
from sjs.gateway.identity.limits import Limits
from sjs.gateway.identity.tokens import SCOPES, make
from sjs.gateway.records.events import tell
from sjs.gateway.settings import usual
from sjs.gateway.web.app import guarded, native
from sjs.values import replace
from tests.gateway.web.conftest import HOST, served

EVENT = {"state": "failed", "reason": "exit", "exit": 3, "signal": None}


def main(folder: str) -> None:
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    settings = replace(usual(folder), hooks_allow=["127.0.0.0/8"])
    with opened(settings, from_mapping({}, {}), {}) as desk:
        limits = Limits(rate=1e6, burst=10**6, requests=10**6, streams=10**6)
        token, shown = make("ann", SCOPES, time.time(), limits=limits)
        desk.write(lambda connection: tokens.add(connection, token))
        with served(desk, guarded(desk, native(desk, {}), [HOST])) as port:
            print(json.dumps([port, shown.reveal()]), flush=True)
            for line in sys.stdin:
                happen(desk, int(line))
                print(size(), flush=True)


def happen(desk: Desk, count: int) -> None:
    for number in range(count):
        desk.write(partial(tell, kind="job.ended", now=time.time(), of=[(number, "ann", EVENT)]))


def size() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main(sys.argv[1])
