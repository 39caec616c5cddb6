"""Somebody at a terminal is asked for a password, once and unseen; nobody else is."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.machine import ROOT, SUBMIT
from tests.transport.sshd import DEADLINE, PASSWORD, Client, Sshd, keygen


@pytest.fixture
def stranger(machine: Sshd, client: Client, tmp_path: Path) -> Iterator[Client]:
    """Somebody without a key, and with two targets behind the machine."""
    client.key.unlink()
    client.key.with_suffix(".pub").unlink()
    entry = f"{{host: 127.0.0.1, port: {machine.port}, user: worker, project_root: /no/such}}"
    (tmp_path / "config.yaml").write_text(f"managers:\n  m1: {entry}\n  m2: {entry}\n")
    (tmp_path / "config.yaml").chmod(0o600)
    client.environ = {**client.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    yield client


class Screen:
    """A terminal of its own for one command."""

    def __init__(self, client: Client, folder: Path, *words: str) -> None:
        self.shown = ""
        self._ours, self._theirs = pty.openpty()  # theirs stays open, so that its settings can be looked at
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *SUBMIT, *words],
            cwd=folder,
            env=dict(client.environ),
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
        )

    def wait_for(self, words: str) -> None:
        while words not in self.shown:
            assert select.select([self._ours], [], [], DEADLINE)[0], f"no {words!r} after {self.shown!r}"
            self.shown += os.read(self._ours, 4096).decode()

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self._theirs)[3] & termios.ECHO)

    def end(self) -> int:
        status = self.process.wait(DEADLINE)
        while select.select([self._ours], [], [], 0)[0]:
            self.shown += os.read(self._ours, 4096).decode()
        os.close(self._ours)
        os.close(self._theirs)
        return status


def test_a_password_is_asked_for_once_for_a_host_and_never_shown(stranger: Client, tmp_path: Path) -> None:
    screen = Screen(stranger, tmp_path, "all", "status")
    screen.wait_for("password: ")
    screen.type(PASSWORD + "\n")
    screen.wait_for("unreachable 2: m1, m2")
    assert screen.end() == 255
    assert screen.shown.count("password: ") == 1
    assert screen.shown.count("project_root /no/such is no folder on this machine") == 2
    assert PASSWORD not in screen.shown


def test_a_wrong_password_is_told(stranger: Client, tmp_path: Path) -> None:
    screen = Screen(stranger, tmp_path, "m1", "status")
    screen.wait_for("password: ")
    screen.type("wrong\n")
    screen.wait_for("permission denied")
    assert screen.end() == 255


def test_who_leaves_at_the_question_gets_the_terminal_back(stranger: Client, tmp_path: Path) -> None:
    screen = Screen(stranger, tmp_path, "all", "status")
    screen.wait_for("password: ")
    assert not screen.echoes
    screen.type("\x03")
    screen.wait_for("interrupted")
    screen.process.wait(DEADLINE)
    assert screen.echoes
    assert screen.end() == 130


def test_a_program_is_not_asked(stranger: Client, tmp_path: Path) -> None:
    screen = Screen(stranger, tmp_path, "m1", "status", "--json")
    screen.wait_for("permission denied")
    assert screen.end() == 255
    assert "password: " not in screen.shown


def test_a_passphrase_is_asked_for_once_for_a_key(machine: Sshd, stranger: Client, tmp_path: Path) -> None:
    keygen(stranger.key, passphrase="secret words")
    (machine.folder / "authorized_keys").write_text(stranger.key.with_suffix(".pub").read_text())
    screen = Screen(stranger, tmp_path, "all", "status")
    screen.wait_for("passphrase for ~/.ssh/id_ed25519: ")
    assert not screen.echoes
    screen.type("secret words\n")
    screen.wait_for("unreachable 2: m1, m2")
    assert screen.end() == 255
    assert screen.shown.count("project_root /no/such is no folder on this machine") == 2
    assert (screen.shown.count("passphrase for"), "secret words" in screen.shown) == (1, False)
