"""Connections that are kept between commands: when one is used again, and when it must not be."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sjs.errors import LinkLost, SjsError, Unreachable
from sjs.transport import frames, keeping, lines, link
from sjs.transport.keeping import Alone, Keeping, Kept
from sjs.transport.link import LinkTransport, Wish
from sjs.transport.relayed import RelayedStream
from tests.transport.sshd import Client, Sshd, until

LOGIN = "Accepted publickey"
CAT = ["/bin/cat"]
NOTE = b"how it was left"
LONG = 30.0


class Commands:
    """Those that one person types, one after the other."""

    def __init__(self, client: Client, server: Sshd, **more: object) -> None:
        self.keeping = Keeping()
        self.wish = Wish(client.login(server, **more), dict(client.environ), CAT, b"cat")
        self._server = server
        self._logins = server.count(LOGIN)

    @property
    def logins(self) -> int:
        """How often the server has let somebody in since."""
        return self._server.count(LOGIN) - self._logins

    def open(self) -> tuple[Kept, RelayedStream, bytes]:
        return self.keeping.open(self.wish, self._unheard)

    def run(self, leave: bool = True) -> bytes:
        """One that says something, and leaves its session; what was noted of the session that it got."""
        kept, stream, note = self.open()
        said = os.urandom(4).hex().encode() + b"\n"
        assert stream.push(said) == len(said)
        came = b""
        while len(came) < len(said):
            came += stream.some()
        kept.give_back(stream, (b"cat", NOTE) if leave else None)
        assert came == said
        return note

    @staticmethod
    def _unheard(line: str) -> None:
        raise AssertionError(line)


@pytest.fixture
def commands(client: Client, machine: Sshd) -> Commands:
    return Commands(client, machine)


def test_a_session_that_was_left_is_the_next_ones(commands: Commands) -> None:
    assert [commands.run(), commands.run(), commands.run(leave=False), commands.run()] == [b"", NOTE, NOTE, b""]
    assert commands.logins == 1


def test_two_at_once_have_a_session_each(commands: Commands) -> None:
    first, second = commands.open(), commands.open()
    assert first[1] is not second[1]
    for kept, stream, _ in (first, second):
        kept.give_back(stream, (b"cat", NOTE))
    assert (commands.run(), commands.logins) == (NOTE, 1)


def test_a_session_that_has_ended_is_nobodys(commands: Commands) -> None:
    kept, stream, _ = commands.open()
    stream._channel.shutdown_write()
    until(lambda: not stream.is_idle())
    kept.give_back(stream, (b"cat", NOTE))
    assert (commands.run(), commands.logins) == (b"", 1)


def test_one_more_session_than_a_server_allows(client: Client, tmp_path: Path) -> None:
    with Sshd(tmp_path / "server", ["MaxSessions 2"]) as server:
        client.knows(server)
        client.may_enter(server)
        commands = Commands(client, server)
        first, second = commands.open(), commands.open()
        with pytest.raises(Alone):
            commands.open()
        first[0].give_back(first[1], (b"cat", NOTE))
        commands.wish = Wish(commands.wish.login, commands.wish.environ, CAT, b"other")
        opened = [second]

        def opens() -> bool:
            with contextlib.suppress(Alone):
                opened.append(commands.open())
            return len(opened) == 2

        until(opens)  # who rests makes room
        for kept, stream, _ in opened:
            kept.give_back(stream, None)


def test_a_key_that_is_gone_opens_nothing(client: Client, commands: Commands) -> None:
    commands.run()
    aside = client.key.rename(client.key.with_name("aside"))
    with pytest.raises(Alone):
        commands.run()
    aside.rename(client.key)
    commands.keeping._hopeless.clear()  # it is tried again after a minute
    assert (commands.run(), commands.logins) == (b"", 2)


@contextlib.contextmanager
def agent(client: Client) -> Iterator[str]:
    """One that holds the key, which no file does any more."""
    path = str(client.home / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: os.path.exists(path))
            subprocess.run(["ssh-add", "-q", client.key], env={"SSH_AUTH_SOCK": path}, check=True)
            client.key.unlink()
            yield path
        finally:
            process.terminate()


def test_a_key_that_the_agent_has_no_more_opens_nothing(client: Client, commands: Commands) -> None:
    with agent(client) as path:
        commands.wish = Wish(commands.wish.login, {**commands.wish.environ, "SSH_AUTH_SOCK": path}, CAT, b"cat")
        assert [commands.run(), commands.run()] == [b"", NOTE]
        subprocess.run(["ssh-add", "-q", "-D"], env={"SSH_AUTH_SOCK": path}, check=True)
        with pytest.raises(Alone):
            commands.run()
    assert commands.logins == 1


def test_without_its_agent_nothing_is_opened(client: Client, commands: Commands) -> None:
    with agent(client) as path:
        commands.wish = Wish(commands.wish.login, {**commands.wish.environ, "SSH_AUTH_SOCK": path}, CAT, b"cat")
        commands.run()
    with pytest.raises(Alone):
        commands.run()


def test_a_machine_that_is_known_no_more_is_refused(client: Client, machine: Sshd, commands: Commands) -> None:
    commands.run()
    known = client.home / ".ssh/known_hosts"
    known.write_text(known.read_text() + "\n# a line more\n")
    assert (commands.run(), commands.logins) == (NOTE, 1)
    known.write_text(f"@revoked {machine.known}")
    with pytest.raises(Unreachable, match="revoked"):
        commands.run()


def test_after_an_hour_it_is_asked_anew_who_may_come(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    commands.run()
    monkeypatch.setattr(keeping, "OLDEST", 0.0)
    assert (commands.run(), commands.logins) == (b"", 2)


def test_who_uses_an_old_connection_keeps_it(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, stream, _ = commands.open()
    with monkeypatch.context() as patch:
        patch.setattr(keeping, "OLDEST", 0.0)
        commands.run()
    stream.push(b"still here\n")
    assert b"".join(iter(lambda: stream.some(), b"still here\n")) == b""
    kept.give_back(stream, (b"cat", NOTE))
    assert not stream.is_idle(), "and then it is closed"


def test_what_only_a_person_can_open_is_left_to_him(client: Client, machine: Sshd) -> None:
    client.key.unlink()
    commands = Commands(client, machine, password="whatever")
    tries = machine.count("Connection from")
    for _ in range(3):
        with pytest.raises(Alone):
            commands.open()
    assert machine.count("Connection from") == tries + 1, "which is not found out each time"


def test_what_a_program_opens_is_left_to_it(client: Client, machine: Sshd, commands: Commands) -> None:
    client.configure(f"Host *\n  ProxyCommand nc {machine.address} %p\n")
    with pytest.raises(Alone):
        commands.open()


def test_a_connection_that_broke_is_made_again(client: Client, tmp_path: Path) -> None:
    with Sshd(tmp_path / "server") as server:
        client.knows(server)
        client.may_enter(server)
        commands = Commands(client, server)
        kept, stream, _ = commands.open()
        server.stop()
        with pytest.raises(LinkLost):
            while True:
                assert stream.some() == b""
                time.sleep(0.01)
        kept.give_back(stream, (b"cat", NOTE))
        server.start()
        assert commands.run() == b""


def test_a_connection_that_fell_silent_is_made_again(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a machine has slept: nobody hangs up."""
    with Sshd(tmp_path / "server") as server:
        client.knows(server)
        client.may_enter(server)
        commands = Commands(client, server)
        commands.run()
        server.pause(on=True)
        for name in ("SILENT", "LIFE"):
            monkeypatch.setattr(keeping, name, 0.0)
        assert (commands.run(), server.count(LOGIN)) == (b"", 2)
        server.pause(on=False)


def test_what_rests_sleeps(commands: Commands) -> None:
    """Each look of a thread at what may have come would be a switch of contexts."""
    others = {thread.native_id for thread in threading.enumerate()}
    commands.run()
    ours = [thread.native_id for thread in threading.enumerate() if thread.native_id not in others]
    assert ours

    def switches() -> list[str]:
        statuses = [Path(f"/proc/self/task/{number}/status").read_text() for number in ours]
        return [status.split("voluntary_ctxt_switches:")[1].split()[0] for status in statuses]

    def rests() -> bool:
        before = switches()
        time.sleep(0.5)  # not a wait for anything: the test is that nothing happens meanwhile
        return switches() == before

    until(rests)  # the server may have something to say yet


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that keeps connections, as a thread."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    thread = threading.Thread(target=lines.serve, args=(theirs,))
    thread.start()
    monkeypatch.setattr(link, "_door", ours)
    yield
    ours.close()
    thread.join(LONG)
    theirs.close()
    assert not thread.is_alive()


def transport(client: Client, server: Sshd, **more: object) -> LinkTransport:
    def alone() -> LinkTransport:
        raise AssertionError("it went alone")

    return LinkTransport(client.login(server, **more), client.environ, print, alone)


def soon() -> float:
    return time.monotonic() + LONG


@pytest.mark.usefixtures("through")
def test_any_amount_passes_both_ways(client: Client, machine: Sshd) -> None:
    stream = transport(client, machine).open(CAT)
    data = os.urandom(3 << 20)
    stream.send(data, soon())
    assert stream.take(len(data), soon()) == data
    stream.send(b"one\ntwo\n", soon())
    assert [stream.line(soon()), stream.line(soon())] == [b"one", b"two"]
    with pytest.raises(TimeoutError):
        stream.line(time.monotonic())
    stream.close()


@pytest.mark.usefixtures("through")
@pytest.mark.parametrize("command", ["exit 3", "echo no room >&2; exit 3", "kill -9 $$"])
def test_an_end_is_told_as_it_is_without(client: Client, machine: Sshd, command: str) -> None:
    from sjs.transport.ssh import SshTransport

    def said(way: object) -> str:
        stream = way.open(["/bin/sh", "-c", command])  # type: ignore[attr-defined]
        with pytest.raises(SjsError) as caught:
            stream.line(soon())
        stream.close()
        return f"{type(caught.value).__name__} {caught.value}"

    direct = SshTransport(client.login(machine), client.environ, print)
    assert said(transport(client, machine)) == said(direct)
    direct.close()


def test_what_was_said_before_the_end_is_heard_though_it_ended_while_we_spoke(commands: Commands) -> None:
    commands.wish = Wish(commands.wish.login, commands.wish.environ, ["/bin/sh", "-c", "echo word"])
    kept, stream, _ = commands.open()
    until(lambda: not stream.is_idle() and stream._channel.closed)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        relay = lines.Relay(theirs, frames.Frames(theirs), stream)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(relay, "_turn", lambda: relay._push(b"header\n"))
            relay.run()
        told = frames.Frames(ours)
        assert told.read()
        assert [told.next(), (told.next() or (b"",))[0]] == [(frames.DATA, b"word\n"), frames.FAILED]
    kept.give_back(stream, None)


@pytest.mark.usefixtures("through")
def test_who_cannot_be_reached_is_told_as_it_is_without(client: Client, machine: Sshd) -> None:
    (client.home / ".ssh/known_hosts").unlink()
    with pytest.raises(Unreachable, match="nobody has said yet"):
        transport(client, machine).open(CAT)


@pytest.mark.usefixtures("through")
def test_a_way_that_may_be_another_each_time_is_asked_for(client: Client, machine: Sshd) -> None:
    client.configure("Match host 127.0.0.1 exec true\n  ConnectTimeout 9\n")
    for _ in range(2):
        transport(client, machine).open(CAT).close()
    assert len(link.kept()) == 1


def test_without_anybody_behind_the_door_it_goes_alone(
    client: Client, machine: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    monkeypatch.setattr(link, "_door", ours)
    with pytest.raises(AssertionError, match="alone"):
        transport(client, machine).open(CAT)
    ours.close()
