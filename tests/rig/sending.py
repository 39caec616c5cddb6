"""Types one command twice, through a proxy that hangs up on the first, and says what came of each. Runs inside the lab:

python -m tests.rig.sending ADDRESS PORT BYTES WORDS...
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tests.live.machine import DEADLINE, SUBMIT
from tests.rig.proxy import UP, Fault, Proxy


def main(address: str, port: str, after: str, *words: str) -> None:
    with Proxy((address, 22), int(port)) as proxy:
        proxy.strike(Fault("reset", UP, int(after)))
        done = [types(words), types(words)]
        struck = proxy.connections[0].struck
    json.dump({"struck": struck, "done": done}, sys.stdout)


def types(words: Sequence[str]) -> tuple[int, str, str]:
    done = subprocess.run([*SUBMIT, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    return done.returncode, done.stdout, done.stderr


if __name__ == "__main__":
    main(*sys.argv[1:])
