"""The whole command line in this process, against pretended machines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sjs import config, reach
from sjs.cli.main import run
from sjs.routing import Fleet
from tests.targets.fake import FakeMachine


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    status: int
    out: str
    err: str


class CommandLine:
    """Types commands. `play` says what the machine of a name does, session by session, and what more its entry has."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.machines: dict[str, FakeMachine] = {}
        self._entries: dict[str, str] = {}
        self._capture = capture

    def play(self, name: str, *scenes: str, entry: str = "") -> FakeMachine:
        machine = self.machines[name] = FakeMachine(self.folder / f"fake-{name}", *scenes)
        self._entries[name] = f"  {name}: {{transport: local, root: .{', ' if entry else ''}{entry}}}\n"
        path = self.folder / "config.yaml"
        path.write_text("managers:\n" + "".join(self._entries.values()))
        path.chmod(0o600)
        return machine

    def submit(self, *words: str) -> Outcome:
        self._capture.readouterr()
        status = run("submit", words)
        return Outcome(status, *self._capture.readouterr())


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """An empty home folder, in which we are, and nothing configured."""
    line = CommandLine(tmp_path, capsys)
    build: Callable[[Fleet, config.Manager], Any] = Fleet._build

    one_at_a_time = threading.Lock()  # a fleet builds in threads

    def fake(fleet: Fleet, manager: config.Manager) -> Any:
        machine = line.machines.get(manager.name)
        with one_at_a_time:
            monkeypatch.setattr(reach, "local_ask", lambda: machine.argv if machine else ["/no/such/ask"])
            return build(fleet, manager)

    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "_SUBMIT_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Fleet, "_build", fake)
    return line
