"""From an entry of the config to a manager behind ssh; and how somebody says that a machine is to be trusted."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs import bundle, reach
from sjs.answers import Status
from sjs.cli.main import run
from sjs.config import Manager
from sjs.errors import Missing, NoManager, Unreachable
from sjs.transport import host_keys
from tests.transport.sshd import Client, Sshd

NOISE = "echo 'Welcome to sjs'; printf 'no line end'; echo 'complaints, too' >&2\n"


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sshd]:
    """A machine of the test's own, with the login shell that the test names."""
    if os.getuid() != 0:
        pytest.skip("only root can give a server accounts of its own")
    with Sshd(tmp_path / "server", shell=getattr(request, "param", "/bin/bash")) as found:
        (found.home / "project").mkdir()
        yield found


@pytest.fixture
def client(server: Sshd, tmp_path: Path) -> Client:
    found = Client(tmp_path / "client")
    found.knows(server)
    found.may_enter(server)
    return found


def entry(server: Sshd, **more: object) -> Manager:
    given = {"name": "m1", "transport": "ssh", "project_root": "~/project", "host": "127.0.0.1", "port": server.port}
    given |= {"user": "worker", "identity_file": "~/.ssh/id_ed25519"}
    return Manager(**{**given, **more})  # type: ignore[arg-type]


def report(client: Client, manager: Manager, start: str = "-") -> Status:
    target = reach.target(manager, start, client.environ, lambda line: None)
    try:
        return target.report()
    finally:
        target.close()


@pytest.mark.parametrize("server", ["/bin/bash", "/bin/csh", "/usr/bin/fish", "/usr/bin/zsh"], indirect=True)
@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_a_bare_machine_with_a_noisy_shell_is_made_ready_and_started(
    server: Sshd, client: Client, transport: str
) -> None:
    for name in (".bashrc", ".cshrc", ".zshenv", ".config/fish/config.fish"):
        path = server.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOISE)
    manager = entry(server, transport=transport)
    with pytest.raises(NoManager):
        report(client, manager)
    found = report(client, manager, "start=3")
    assert (found.report.max_running, found.root) == (3, str(server.home / "project"))
    assert set(os.listdir(server.home / ".cache/sjs")) == {bundle.ours().digest, "current"}


def test_one_connection_and_one_session_for_each_command(server: Sshd, client: Client) -> None:
    report(client, entry(server), "start=1")
    before = server.count("Accepted publickey"), server.count("Starting session")
    report(client, entry(server))
    after = server.count("Accepted publickey"), server.count("Starting session")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)


def test_where_nothing_may_be_put_nothing_is(server: Sshd, client: Client) -> None:
    with pytest.raises(Missing, match="deploy: never"):
        report(client, entry(server, deploy="never"))
    assert not (server.home / ".cache").exists()


def test_a_machine_without_python_is_told(server: Sshd, client: Client) -> None:
    with pytest.raises(Unreachable, match="no python3: sjs needs Python 3.8.*`python:` in the config"):
        report(client, entry(server, python="/no/python3"))


def test_another_python_may_be_named(server: Sshd, client: Client) -> None:
    (server.home / "bin").mkdir()
    (server.home / "bin/my-python").symlink_to(os.path.realpath(sys.executable))
    assert report(client, entry(server, python="~/bin/my-python"), "start=1").report.max_running == 1


def test_a_home_that_cannot_be_written_is_told(server: Sshd, client: Client) -> None:
    (server.home / ".cache").write_text("a file")
    with pytest.raises(Unreachable, match="sjs cannot be put there: .*Not a directory"):
        report(client, entry(server))


@pytest.mark.parametrize("server", ["/usr/sbin/nologin"], indirect=True)
def test_an_account_without_a_shell_is_quoted(server: Sshd, client: Client) -> None:
    with pytest.raises(Unreachable, match="account is currently not available"):
        report(client, entry(server))


@pytest.fixture
def typing(server: Sshd, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typing:
    for name, value in client.environ.items():
        monkeypatch.setenv(name, value)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(client.home)
    there = f"{{host: 127.0.0.1, port: {server.port}, user: worker, project_root: ~/project}}"
    here = "{transport: local, project_root: .}"
    (client.home / "config.yaml").write_text(f"managers:\n  m1: {there}\n  here: {here}\n")
    (client.home / "config.yaml").chmod(0o600)
    return Typing(capsys)


class Typing:
    """Types commands in the client's home."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._capture.readouterr()
        status = run("submit", words)
        out, err = self._capture.readouterr()
        return status, out, err


def fingerprint(typing: Typing, client: Client) -> str:
    """What `status` says about a machine that nobody knows."""
    client.knows()
    status, _, err = typing("m1", "status")
    assert status == 255
    return err.rpartition("--fingerprint ")[2].rstrip(")\n")


def test_trust_takes_the_fingerprint_that_status_shows(typing: Typing, client: Client, server: Sshd) -> None:
    words = fingerprint(typing, client)
    status, out, err = typing("m1", "trust", "--fingerprint", words)
    assert (status, out, err) == (0, f"127.0.0.1:{server.port} is known from now on: ED25519 {words}\n", "")
    assert Path(host_keys.own_file(client.environ)).read_text() == server.known
    assert typing("m1", "trust") == (0, "is known already\n", "")
    assert "no manager" in typing("m1", "status")[2]


def test_trust_says_it_to_programs(typing: Typing, client: Client) -> None:
    words = fingerprint(typing, client)
    _, out, _ = typing("m1", "trust", "--json", "--fingerprint", words.removeprefix("SHA256:"))
    assert f'"fingerprint": "{words}"' in out


def test_trust_refuses_another_fingerprint(typing: Typing, client: Client) -> None:
    fingerprint(typing, client)
    status, _, err = typing("m1", "trust", "--fingerprint", "SHA256:abc")
    assert status == 255
    assert "shows another key: ED25519 SHA256:" in err
    assert not os.path.exists(host_keys.own_file(client.environ))


def test_trust_needs_somebody_to_ask(typing: Typing, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint(typing, client)
    status, _, err = typing("m1", "trust")
    assert status == 2
    assert "nobody is at a terminal" in err


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 255)])
def test_trust_asks_at_a_terminal(
    typing: Typing, client: Client, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    words = fingerprint(typing, client)
    terminal = io.StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    found, _, err = typing("m1", "trust")
    assert found == status
    assert f"shows ED25519 {words}. Is that its key?" in err
    assert os.path.exists(host_keys.own_file(client.environ)) == (status == 0)


def test_trust_never_replaces_a_key(typing: Typing, client: Client, server: Sshd) -> None:
    words = fingerprint(typing, client)
    (client.home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {client.public}\n")
    status, _, err = typing("m1", "trust", "--fingerprint", words)
    assert status == 255
    assert "known_hosts:1 knows another key" in err


def test_trust_for_this_machine_and_for_too_many(typing: Typing) -> None:
    assert typing("here", "trust") == (0, "is this machine\n", "")
    assert typing("all", "trust", "--fingerprint", "x")[0] == 2
