"""The ssh binary: what it is told, and what we hear from it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sjs.errors import Ended, LinkLost, NotReached, Unreachable
from sjs.protocols import Stream
from sjs.transport import host_keys, openssh
from sjs.transport.openssh import OpensshTransport
from sjs.transport.ssh_config import Config
from sjs.transport.way import Login
from tests.transport.sshd import Client, Sshd, until

ECHO = ["/bin/sh", "-c", "echo ready; exec cat"]
KEY = {"identity_file": "~/.ssh/id_ed25519"}


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


@contextmanager
def running(client: Client, server: Sshd, argv: list[str] = ECHO, **more: object) -> Iterator[Stream]:
    stream = OpensshTransport(client.login(server, **{**KEY, **more}), client.environ).open(argv)
    yield stream
    stream.close()


@pytest.fixture(autouse=True)
def sockets(client: Client) -> Iterator[Path]:
    """A place for sockets, whose names must be short. The connections that are kept there end with the test."""
    with tempfile.TemporaryDirectory(prefix="sjs-", dir="/tmp") as folder:
        client.environ = {**client.environ, "XDG_RUNTIME_DIR": folder}
        found = Path(folder) / "sjs/ssh"
        yield found
        for path in found.glob("*"):
            subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True)
        until(lambda: not list(found.glob("*")))


def test_lines_go_both_ways(machine: Sshd, client: Client) -> None:
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"
        stream.send(b"x" * 3_000_000 + b"\n", soon())
        assert len(stream.line(soon())) == 3_000_000


def test_a_connection_is_kept_for_a_while(machine: Sshd, client: Client, sockets: Path) -> None:
    before = machine.count("Accepted publickey")
    for _ in range(3):
        with running(client, machine) as stream:
            assert stream.line(soon()) == b"ready"
    assert machine.count("Accepted publickey") == before + 1
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert len(list(sockets.iterdir())) == 1


def test_it_knows_whom_we_have_pinned(machine: Sshd, client: Client) -> None:
    own = Path(host_keys.own_file(client.environ))
    own.parent.mkdir(parents=True)
    (client.home / ".ssh/known_hosts").rename(own)
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"


def test_a_program_that_ends_is_no_broken_ssh(machine: Sshd, client: Client) -> None:
    with running(client, machine, ["/bin/sh", "-c", "exit 7"]) as stream, pytest.raises(Ended, match="exit status 7"):
        stream.line(soon())


@pytest.mark.parametrize(
    ("login", "known", "kind", "said"),
    [
        ({"port": 1}, True, NotReached, "ssh: connect to host 127.0.0.1 port 1: Connection refused"),
        ({"host": "no-such-host.invalid"}, True, Unreachable, "ssh: Could not resolve hostname"),
        ({}, False, Unreachable, "Host key verification failed"),
        ({"identity_file": "~/none"}, True, Unreachable, "Permission denied"),
    ],
)
def test_what_ssh_says_last_is_told(
    machine: Sshd, client: Client, login: dict[str, object], known: bool, kind: type[Unreachable], said: str
) -> None:
    client.knows(*([machine] if known else []))
    with running(client, machine, ECHO, **login) as stream, pytest.raises(kind, match=said) as caught:
        stream.line(soon())
    assert isinstance(caught.value, NotReached) == (kind is NotReached)


def test_a_link_that_breaks_later_is_a_lost_link(client: Client, tmp_path: Path) -> None:
    with Sshd(tmp_path / "own") as server:
        client.knows(server)
        client.may_enter(server)
        with running(client, server) as stream:
            assert stream.line(soon()) == b"ready"
            server.stop()
            with pytest.raises(LinkLost) as caught:
                stream.line(soon())
        assert not isinstance(caught.value, Ended)


def test_many_at_once_all_come_in(tmp_path: Path, client: Client) -> None:
    """24 at once, each on a connection of its own, at a server that hangs up on the tenth and all after it."""
    client.configure("ControlPath ~/none\n")

    def login(number: int) -> bytes:
        with running(client, server, connect_timeout=60) as stream:
            return stream.line(soon(60))

    with Sshd(tmp_path / "own", ["MaxStartups 9:100:9"]) as server:
        client.knows(server)
        client.may_enter(server)
        with ThreadPoolExecutor(24) as pool:
            assert list(pool.map(login, range(24))) == [b"ready"] * 24


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Connection closed by 10.0.0.1 port 22", LinkLost),
        ("Connection reset by 10.0.0.1 port 22", LinkLost),
        ("Connection to 10.0.0.1 closed by remote host.", LinkLost),
        ("client_loop: send disconnect: Broken pipe", LinkLost),
        ("ssh_dispatch_run_fatal: Connection to 10.0.0.1 port 22: message authentication code incorrect", LinkLost),
        ("Timeout, server 10.0.0.1 not responding.", LinkLost),
        ("Shared connection to 10.0.0.1 closed.", LinkLost),
        ("Connection closed by UNKNOWN port 65535", NotReached),
        ("connect to host 10.0.0.1 port 22: Connection refused", NotReached),
        ("Connection timed out during banner exchange", NotReached),
        ("Unable to negotiate with 10.0.0.1 port 22: no matching host key type found.", Unreachable),
    ],
)
def test_what_breaks_before_a_word_was_heard_is_told_from_what_was_never_there(
    said: str, kind: type[Unreachable], client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho {said!r} >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    stream = OpensshTransport(Login("m", "node"), client.environ).open(ECHO)
    with pytest.raises(Unreachable, match=re.escape(said)) as caught:
        stream.line(soon())
    stream.close()
    assert type(caught.value) is kind


def told(client: Client, text: str = "", **more: object) -> dict[str, str]:
    """The options that ssh gets, by name."""
    client.configure(text)
    config = Config(client.environ)
    login = Login(**{"name": "m", "host": "node", **more})  # type: ignore[arg-type]
    words = openssh.options(login, config.words("node", "", None), config, "/run/me")
    pairs = [
        words[at + 1] if word == "-o" else f"{word}={words[at + 1]}" for at, word in enumerate(words) if at % 2 == 0
    ]
    return dict(pair.split("=", 1) for pair in pairs)


def test_it_asks_nobody_and_forwards_nothing(client: Client) -> None:
    found = told(client, "ForwardAgent yes\n")
    assert (found["BatchMode"], found["ForwardAgent"], found["StrictHostKeyChecking"]) == ("yes", "no", "yes")
    assert found["ControlPath"] == "/run/me/%C"
    assert "-A" not in found


def test_our_config_is_passed_on(client: Client) -> None:
    found = told(client, port=24, user="me", identity_file="~/k", proxy_jump="a,b", connect_timeout=7, accept_new=True)
    assert (found["-p"], found["-l"], found["-i"], found["-J"]) == ("24", "me", f"{client.home}/k", "a,b")
    assert (found["ConnectTimeout"], found["StrictHostKeyChecking"]) == ("7", "accept-new")
    assert found["IdentitiesOnly"] == "yes"


def test_a_control_path_of_the_users_own_is_left(client: Client) -> None:
    assert "ControlPath" not in told(client, "ControlPath ~/.ssh/%C\n")


def test_files_that_the_user_names_are_kept(client: Client) -> None:
    found = told(client, "UserKnownHostsFile ~/a\n")
    assert found["UserKnownHostsFile"].split() == [f"{client.home}/a", host_keys.own_file(client.environ)]


def test_sockets_lie_where_nobody_else_comes(client: Client, sockets: Path) -> None:
    assert openssh._folder(client.environ) == str(sockets)
    sockets.chmod(0o755)
    assert openssh._folder({**client.environ, "HOME": "/tmp/" + "x" * 100}) == ""
