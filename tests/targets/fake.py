"""A pretended machine: a real process that is started like `ask` and plays one scene for each session."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sjs.protocols import Transport
from sjs.targets.daemon_client import DaemonTarget
from sjs.targets.session import Door, Parcel
from sjs.transport.local import LocalTransport

PLAYER = """\
import json, os, sys

folder = sys.argv[1]
header = sys.stdin.buffer.readline()

def log(name, data):
    with open(os.path.join(folder, name), "ab") as target:
        target.write(data)

def raw(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()

def say(**body):
    raw(json.dumps(body).encode() + b"\\n")

def hear():
    line = sys.stdin.buffer.readline()
    log("requests", line)
    return json.loads(line) if line else None

def hello():
    raw(b"sjs 1\\n")
    say(hello={"version": "9", "host": "fake", "pid": 1, "root": "/fake"})

def take(first):
    asked = hear()
    say(id=asked["id"], first=first, count=len(asked["jobs"]), repeated=False, max=1)

log("headers", header)
scenes = sorted(name for name in os.listdir(folder) if name.endswith(".scene"))
played = open(os.path.join(folder, "headers"), "rb").read().count(b"\\n")
scene = os.path.join(folder, scenes[min(played, len(scenes)) - 1])
exec(compile(open(scene).read(), scene, "exec"))
"""


class FakeMachine:
    """Plays scenes: the first session the first one, and so on; the last one is played as often as it is asked for."""

    def __init__(
        self,
        folder: Path,
        *scenes: str,
        parcel: Callable[[FakeMachine], Parcel] | None = None,
        transport: Transport | None = None,
        hooks: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.notices: list[str] = []
        folder.mkdir(exist_ok=True)
        (folder / "player.py").write_text(PLAYER)
        for number, scene in enumerate(scenes):
            (folder / f"{number:03}.scene").write_text(scene)
        self.argv = [sys.executable, "-I", "-S", str(folder / "player.py"), str(folder)]
        door = Door(self.argv, "/fake", "jobs.pipe", parcel=parcel(self) if parcel else None)
        self.target = DaemonTarget("fake", transport or LocalTransport(), door, door, self.notices.append, hooks)

    @property
    def sessions(self) -> int:
        """How many were opened."""
        return (self.folder / "headers").read_bytes().count(b"\n")

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked, in all sessions."""
        lines = (self.folder / "requests").read_text().splitlines()
        return [json.loads(line) for line in lines]
