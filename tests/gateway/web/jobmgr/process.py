"""The dialect in a process of its own, to be killed: `process.py MANAGERS FOLDER SOCKET`.

SOCKET is the descriptor of one that listens already: who asks while nobody serves waits for the next.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn

from sjs.config import from_mapping
from sjs.gateway.desk import opened
from sjs.gateway.settings import usual
from sjs.gateway.web.app import without_tokens
from sjs.gateway.web.jobmgr.app import SCOPES, application
from tests.gateway.web.jobmgr.client import HOST
from tests.live.machine import ROOT


def started(managers: Mapping[str, Any], folder: Path, door: socket.socket) -> subprocess.Popen[bytes]:
    words = [json.dumps(managers), str(folder), str(door.fileno())]
    argv = [sys.executable, "-m", "tests.gateway.web.jobmgr.process", *words]
    return subprocess.Popen(argv, cwd=ROOT, pass_fds=[door.fileno()])


def main(managers: str, folder: str, door: int) -> None:
    with opened(usual(folder), from_mapping({"managers": json.loads(managers)}, {}), {}) as desk:
        app = without_tokens(desk, application(desk, {"PATH": "/usr/bin:/bin"}, [b"k" * 32]), [HOST], "web", SCOPES)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=door)])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
