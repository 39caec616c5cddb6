"""Ways of logging in that OpenSSH's server offers only with PAM, played by paramiko's server."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.exceptions import InvalidTag
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL
from paramiko.server import InteractiveQuery

from sjs.errors import LinkLost, NotReached, Unreachable
from sjs.transport import auth
from sjs.transport.auth import Attempt
from sjs.transport.client import Client
from sjs.transport.passwords import Secret
from sjs.transport.way import Hop
from tests.transport.sshd import keygen

SECRET = "correct horse"


def known() -> Secret:
    return Secret(SECRET, "password")


class Server(paramiko.ServerInterface):
    """Wants everything in `wanted`, in that order."""

    def __init__(self, *wanted: str) -> None:
        self._wanted = list(wanted)

    def get_allowed_auths(self, username: str) -> str:
        return ",".join(self._wanted[:1])

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._answer("publickey", True)

    def check_auth_password(self, username: str, password: str) -> int:
        return self._answer("password", password == SECRET)

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        if self._wanted[0] != "keyboard-interactive":
            return AUTH_FAILED
        query = InteractiveQuery("Hello", "")
        query.add_prompt("Password: ", False)
        return query

    def check_auth_interactive_response(self, responses: Sequence[str]) -> int:
        return self._answer("keyboard-interactive", list(responses) == [SECRET])

    def _answer(self, method: str, is_right: bool) -> int:
        if not is_right or self._wanted[0] != method:
            return AUTH_FAILED
        self._wanted.pop(0)
        return AUTH_PARTIALLY_SUCCESSFUL if self._wanted else AUTH_SUCCESSFUL


@contextmanager
def connected(server: paramiko.ServerInterface, folder: Path) -> Iterator[Client]:
    keygen(folder / "host"), keygen(folder / "mine")
    ours, theirs = socket.socketpair()
    other = paramiko.Transport(theirs)
    other.add_server_key(paramiko.PKey.from_path(folder / "host"))
    other.start_server(threading.Event(), server)
    client = Client(ours, Hop("node", 22, "me", identity_files=[str(folder / "mine")]), ())
    try:
        client.negotiate(10)
        yield client
    finally:
        client.close()
        other.close()


@pytest.mark.parametrize(
    "wanted", [["password"], ["keyboard-interactive"], ["publickey", "password"], ["publickey", "keyboard-interactive"]]
)
def test_the_password_answers_however_it_is_asked_for(wanted: list[str], tmp_path: Path) -> None:
    with connected(Server(*wanted), tmp_path) as client:
        Attempt(client, known).run()
        assert client.is_authenticated()


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        (["password"], ["(me@node:22) password: "]),
        (["keyboard-interactive"], ["(me@node:22) Password: "]),
        (["publickey", "password"], ["(me@node:22) password: "]),
        (["publickey", "keyboard-interactive"], ["(me@node:22) Password: "]),
        (["publickey"], []),
    ],
)
def test_a_person_is_asked_for_what_the_server_takes(wanted: list[str], asked: list[str], tmp_path: Path) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return SECRET

    with connected(Server(*wanted), tmp_path) as client:
        Attempt(client, ask=ask).run()
        assert client.is_authenticated()
    assert questions == asked


@pytest.mark.parametrize("wanted", ["password", "keyboard-interactive", "hostbased"])
@pytest.mark.parametrize("answer", ["wrong", None])
def test_a_person_is_asked_once_at_most(wanted: str, answer: str | None, tmp_path: Path) -> None:
    questions: list[str] = []

    def ask(question: str) -> str | None:
        questions.append(question)
        return answer

    with connected(Server(wanted), tmp_path) as client, pytest.raises(Unreachable, match="permission denied"):
        Attempt(client, ask=ask).run()
    assert len(questions) == (0 if wanted == "hostbased" else 1)


def test_a_question_of_the_server_cannot_steer_the_terminal(tmp_path: Path) -> None:
    questions: list[str] = []

    class Hostile(Server):
        def check_auth_interactive(self, username: str, submethods: str) -> Any:
            query = InteractiveQuery("", "")
            query.add_prompt("\x1b[2Jroot's password: ", False)
            return query

    with connected(Hostile("keyboard-interactive"), tmp_path) as client, pytest.raises(Unreachable):
        Attempt(client, ask=lambda question: questions.append(question)).run()
    assert questions == ["(me@node:22)  [2Jroot's password: "]


def test_what_is_wanted_instead_is_named(tmp_path: Path) -> None:
    with connected(Server("hostbased"), tmp_path) as client, pytest.raises(Unreachable) as caught:
        Attempt(client, known).run()
    assert "mine (it takes hostbased), password (it takes hostbased)" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_key_alone_is_not_enough_where_more_is_wanted(tmp_path: Path) -> None:
    with connected(Server("publickey", "password"), tmp_path) as client, pytest.raises(Unreachable, match="denied"):
        Attempt(client).run()


def test_a_server_that_never_answers_is_left_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    asked = threading.Event()

    class Slow(Server):
        def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
            asked.wait(10)
            return AUTH_FAILED

    monkeypatch.setattr(auth, "ANSWER", 0.5)
    with (
        connected(Slow("publickey"), tmp_path) as client,
        pytest.raises(NotReached, match="does not answer to a login"),
    ):
        try:
            Attempt(client).run()
        finally:
            asked.set()


def test_a_link_that_breaks_before_its_reader_has_noticed_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes may meet the end first."""

    def broken(*_: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(auth, "FAREWELL", 0)
    with connected(Server("publickey"), tmp_path) as client:
        monkeypatch.setattr(client, "auth_publickey", broken)
        with pytest.raises(LinkLost, match="broke during the login .*Broken pipe"):
            Attempt(client).run()
        assert client.is_active()


def test_a_link_that_breaks_after_the_last_word_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(Server("publickey"), tmp_path) as client:

        def enter(*_: object) -> list[str]:
            client.close()
            return []

        monkeypatch.setattr(client, "auth_publickey", enter)
        with pytest.raises(LinkLost, match="broke during the login"):
            Attempt(client).run()


def test_a_channel_on_a_link_that_breaks_now_is_a_lost_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    with connected(Server("publickey"), tmp_path) as client:
        Attempt(client).run()
        monkeypatch.setattr(client, "open_channel", broken)
        with pytest.raises(LinkLost, match="broke before a channel was open"):
            client.channel("session", 10)


def test_a_password_has_no_face() -> None:
    assert SECRET not in repr(Attempt(None, known)) + repr(known())  # type: ignore[arg-type]


def test_a_damaged_message_is_a_link_that_broke_whatever_the_cipher_says() -> None:
    ours, theirs = socket.socketpair()
    client = Client(ours, Hop("node", 22, "me"), ())
    for error in (InvalidTag(), ValueError("strange")):
        client.saved_exception = error
        assert isinstance(client.get_exception(), paramiko.SSHException)
    for known in (EOFError(), OSError("reset"), paramiko.SSHException("mac")):
        client.saved_exception = known
        assert client.get_exception() is known
    assert client.get_exception() is None
    ours.close()
    theirs.close()


def test_what_carries_a_connection_may_be_gone_before_it_ends() -> None:
    """As a jump host's channel is: paramiko's thread then ends without a word."""

    class Gone:
        def settimeout(self, seconds: float) -> None:
            pass

        def send(self, data: bytes) -> int:
            raise EOFError

        def recv(self, size: int) -> bytes:
            raise EOFError

        def close(self) -> None:
            raise EOFError

    client = Client(Gone(), Hop("node", 22, "me"), ())
    with pytest.raises(LinkLost), suppress_threads():
        client.negotiate(10)
    client.join(10)
    assert not client.is_alive()


@contextmanager
def suppress_threads() -> Iterator[None]:
    """What threads leave unhandled is the test's failure, at once."""
    found: list[object] = []
    before, threading.excepthook = threading.excepthook, found.append
    try:
        yield
    finally:
        threading.excepthook = before
        assert not found
