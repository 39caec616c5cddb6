"""What `ssh -G` has said is asked again only where it may be something else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sjs.transport.remembered import Unsteady, Ways
from sjs.transport.way import Login

LOGIN = Login("m", "node")


class Home:
    """A home whose ssh counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".ssh"
        self.folder.mkdir(parents=True)
        (folder / "bin").mkdir()
        ssh = folder / "bin/ssh"
        ssh.write_text(f'#!/bin/sh\necho >> {folder}/asked\nexec {shutil.which("ssh")} "$@"\n')
        ssh.chmod(0o755)
        self.environ = {"HOME": str(folder), "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        self.ways = Ways()
        self._asked = folder / "asked"

    def write(self, text: str, name: str = "config") -> None:
        (self.folder / name).write_text(text)

    def port(self) -> int:
        return self.ways.find(LOGIN, self.environ).machine.port

    @property
    def asked(self) -> int:
        return self._asked.read_text().count("\n")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_it_is_asked_once(home: Home) -> None:
    home.write("Host node\n  Port 2\n")
    assert [home.port() for _ in range(3)] == [2] * 3
    assert home.asked == 1


@pytest.mark.parametrize("name", ["config", "more.conf", "deep.conf", "new.conf"])
def test_it_is_asked_again_when_a_file_that_it_reads_has_changed(home: Home, name: str) -> None:
    home.write(f"Include {home.folder}/*.conf\nHost other\n  Port 3\n")
    home.write(f"Include {home.folder}/deep.conf\n", "more.conf")
    home.write("Host another\n", "deep.conf")
    assert home.port() == 22
    home.write("Host node\n  Port 4\n", name)
    assert [home.port(), home.port()] == [4, 4]
    assert home.asked == 2


@pytest.mark.parametrize(
    "line", ["Match exec true", "match host node exec 'test -e x'", "IdentityAgent $SOCK", "CanonicalizeHostname yes"]
)
def test_what_may_be_another_each_time_is_not_remembered(home: Home, line: str) -> None:
    home.write(f"Host node\n  Port 2\n{line}\n  Port 3\n")
    with pytest.raises(Unsteady):
        home.port()
