"""paramiko against OpenSSH's server: who gets in, whom we believe, and what we hear when it breaks."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sjs.errors import Ended, LinkLost, NotReached, SjsError, Unreachable
from sjs.protocols import Ask, Stream
from sjs.transport import auth, dial, host_keys
from sjs.transport.known_hosts import HostKey
from sjs.transport.ssh import SshTransport
from sjs.transport.ssh_config import find_way
from sjs.transport.ssh_stream import SshStream
from sjs.transport.way import Hop
from tests.transport.sshd import PASSWORD, Client, Sshd, keygen, until

LONG = 30.0
ECHO = ["/bin/sh", "-c", "echo ready; exec cat"]


def soon(seconds: float = LONG) -> float:
    return time.monotonic() + seconds


def no_notice(line: str) -> None:
    raise AssertionError(line)


@contextmanager
def transport(client: Client, server: Sshd, ask: Ask | None = None, **more: object) -> Iterator[SshTransport]:
    found = SshTransport(client.login(server, **more), client.environ, no_notice, ask)
    try:
        yield found
    finally:
        found.close()


@contextmanager
def running(
    client: Client, server: Sshd, argv: list[str] = ECHO, ask: Ask | None = None, **more: object
) -> Iterator[Stream]:
    with transport(client, server, ask, **more) as way:
        stream = way.open(argv)
        yield stream
        stream.close()


def refusal(client: Client, server: Sshd, ask: Ask | None = None, **more: object) -> str:
    """Why it cannot be opened."""
    with transport(client, server, ask, **more) as way, pytest.raises(SjsError) as caught:
        way.open(ECHO)
    assert isinstance(caught.value, Unreachable)
    return str(caught.value)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Servers that a test may treat as it likes."""
    made: list[Sshd] = []

    def make(*lines: str) -> Sshd:
        made.append(Sshd(tmp_path / f"server{len(made)}", lines))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.stop()


def test_lines_and_bytes_go_both_ways(machine: Sshd, client: Client) -> None:
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"
        stream.send(b"\xff\0one\ntwo", soon())
        assert stream.line(soon()) == b"\xff\0one"
        assert stream.take(2, soon()) == b"tw"
        with pytest.raises(TimeoutError):
            stream.line(soon(0.2))
        stream.send(b"!\n", soon())
        assert stream.line(soon()) == b"o!"


def test_more_than_any_window_goes_both_ways_at_once(machine: Sshd, client: Client) -> None:
    line = b"x" * 99_999 + b"\n"
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"
        for _ in range(60):
            stream.send(line, soon())
        assert all(stream.line(soon()) == line[:-1] for _ in range(60))


def test_several_programs_share_one_connection(machine: Sshd, client: Client) -> None:
    before = machine.count("Accepted publickey")
    with transport(client, machine) as way:
        for _ in range(3):
            stream = way.open(ECHO)
            assert stream.line(soon()) == b"ready"
            stream.close()
    assert machine.count("Accepted publickey") == before + 1


def test_a_program_that_ends_says_why(machine: Sshd, client: Client) -> None:
    ends = {"exit 7": "exit status 7", "echo no such thing >&2; exit 1": "no such thing"}
    for script, said in ends.items():
        with running(client, machine, ["/bin/sh", "-c", script]) as stream, pytest.raises(Ended, match=said):
            stream.line(soon())


def test_a_program_that_was_killed_may_or_may_not_have_done_it(machine: Sshd, client: Client) -> None:
    with (
        running(client, machine, ["/bin/sh", "-c", "kill -9 0"]) as stream,
        pytest.raises(LinkLost, match="nobody knows how") as caught,
    ):
        stream.line(soon())
    assert not isinstance(caught.value, Ended)


def test_endless_complaints_stop_nobody(machine: Sshd, client: Client) -> None:
    script = "i=0; while test $i -lt 60000; do echo complaint number $i >&2; i=$((i+1)); done; echo done"
    with running(client, machine, ["/bin/sh", "-c", script]) as stream:
        assert stream.line(soon(60)) == b"done"


def test_a_flood_is_a_broken_link(machine: Sshd, client: Client) -> None:
    with running(client, machine, ["/usr/bin/yes"]) as stream, pytest.raises(LinkLost, match="more than anybody"):
        stream.take(1 << 30, soon())


class Endless:
    """A channel on which more comes whenever something is taken."""

    closed = eof_received = False

    def __init__(self) -> None:
        self.taken = 0

    def recv_ready(self) -> bool:
        return True

    def recv_stderr_ready(self) -> bool:
        return False

    def recv(self, most: int) -> bytes:
        self.taken += min(most, 1 << 15)
        return bytes(min(most, 1 << 15))


def test_of_a_line_that_is_faster_than_its_reader_no_more_is_taken_than_asked_for(
    machine: Sshd, client: Client
) -> None:
    with running(client, machine) as stream:
        assert isinstance(stream, SshStream) and stream.line(soon()) == b"ready"
        channel, stream._channel = stream._channel, Endless()
        stream._bell.set()
        assert stream.take(1 << 16, soon()) == bytes(1 << 16)
        assert stream._channel.taken <= 1 << 17
        stream._channel = channel


def test_a_reader_that_does_not_read_ends_sending_in_time(machine: Sshd, client: Client) -> None:
    with running(client, machine, ["/bin/sleep", "100"]) as stream, pytest.raises(TimeoutError):
        stream.send(b"x" * 10_000_000, soon(1))


def test_small_messages_do_not_wait_for_each_other(machine: Sshd, client: Client) -> None:
    """40 ms each without TCP_NODELAY."""
    with running(client, machine) as stream:
        stream.line(soon())
        began = time.monotonic()
        for _ in range(50):
            stream.send(b"ping\n", soon())
            stream.line(soon())
        assert time.monotonic() - began < 50 * 0.04


def test_an_unknown_machine_is_refused_and_shown(machine: Sshd, client: Client) -> None:
    client.knows()
    said = refusal(client, machine)
    shown = subprocess.run(["ssh-keygen", "-lf", str(machine.folder / "host_key.pub")], capture_output=True, text=True)
    fingerprint = shown.stdout.split()[1]
    assert f"127.0.0.1:{machine.port} is to be trusted: ED25519 {fingerprint}" in said
    assert f"submit m1 trust --fingerprint {fingerprint}" in said
    assert not os.path.exists(host_keys.own_file(client.environ))


def test_a_changed_machine_is_refused_even_where_new_ones_are_taken(machine: Sshd, client: Client) -> None:
    other = keygen(client.home / "other")
    (client.home / ".ssh/known_hosts").write_text(f"# a comment\n[127.0.0.1]:{machine.port} {other}\n")
    for accept_new in (False, True):
        said = refusal(client, machine, accept_new=accept_new)
        assert f"{client.home}/.ssh/known_hosts:2 knows another key" in said


def test_a_revoked_machine_is_refused_even_where_it_is_known(machine: Sshd, client: Client) -> None:
    (client.home / ".ssh/known_hosts").write_text(f"{machine.known}@revoked * {machine.key}\n")
    assert f"revoked in {client.home}/.ssh/known_hosts:2" in refusal(client, machine, accept_new=True)


def test_an_authority_is_not_believed_and_openssh_named(machine: Sshd, client: Client) -> None:
    (client.home / ".ssh/known_hosts").write_text(f"@cert-authority * {client.public}\n")
    assert "known_hosts:1 names an authority for it, which only `transport: openssh`" in refusal(client, machine)


def test_a_new_machine_is_pinned_where_the_config_says_so(machine: Sshd, client: Client) -> None:
    client.knows()
    notices: list[str] = []
    way = SshTransport(client.login(machine, accept_new=True), client.environ, notices.append)
    way.open(ECHO).close()
    way.close()
    assert len(notices) == 1
    assert machine.key in Path(host_keys.own_file(client.environ)).read_text()
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"


@pytest.mark.parametrize(("kind", "algorithm"), [("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256")])
def test_a_machine_is_asked_for_the_kind_of_key_by_which_it_is_known(
    own: Callable[..., Sshd], client: Client, tmp_path: Path, kind: str, algorithm: str
) -> None:
    other = keygen(tmp_path / "host_other", kind)
    server = own(f"HostKey {tmp_path / 'host_other'}")
    client.may_enter(server)
    assert other.startswith(algorithm)
    (client.home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}\n")
    with running(client, server) as stream:
        assert stream.line(soon()) == b"ready"


def test_a_key_that_is_not_accepted_is_named(machine: Sshd, client: Client) -> None:
    client.key.unlink()
    keygen(client.key.with_name("id_rsa"), "rsa")
    said = refusal(client, machine)
    assert f"permission denied for worker@127.0.0.1:{machine.port}: tried {client.home}/.ssh/id_rsa" in said
    assert "ssh-copy-id worker@127.0.0.1" in said


def test_who_has_no_key_is_told_so(machine: Sshd, client: Client) -> None:
    client.key.unlink()
    client.key.with_suffix(".pub").unlink()
    assert "tried nothing, for there is no key" in refusal(client, machine)


def test_a_key_that_the_config_names_and_is_not_there_is_named(machine: Sshd, client: Client) -> None:
    assert f"tried {client.home}/.ssh/nope (no such file)" in refusal(client, machine, identity_file="~/.ssh/nope")


def test_a_key_that_others_can_read_is_not_offered(machine: Sshd, client: Client) -> None:
    client.key.chmod(0o644)
    assert "not offered: others can read it" in refusal(client, machine)


def test_garbage_for_a_key_is_said(machine: Sshd, client: Client) -> None:
    client.key.write_text("garbage")
    assert "which only `transport: openssh` may be able to read" in refusal(client, machine)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys_open_too(machine: Sshd, client: Client, kind: str) -> None:
    public = keygen(client.home / "mine", kind)
    (machine.folder / "authorized_keys").write_text(public + "\n")
    with running(client, machine, identity_file="~/mine") as stream:
        assert stream.line(soon()) == b"ready"


def test_the_password_of_the_config_opens(machine: Sshd, client: Client) -> None:
    client.key.unlink()
    client.key.with_suffix(".pub").unlink()
    with running(client, machine, password=PASSWORD) as stream:
        assert stream.line(soon()) == b"ready"
    said = refusal(client, machine, password="wrong horse")
    assert "tried password" in said
    assert "horse" not in said


@pytest.fixture
def locked(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The client's only key, with the passphrase "secret"."""
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(client.key)], check=True)
    monkeypatch.setattr(auth, "_unlocked", {})
    yield client.key


def test_a_passphrase_is_asked_for_once(machine: Sshd, client: Client, locked: Path) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "secret"

    for _ in range(2):
        with running(client, machine, ask=ask) as stream:
            assert stream.line(soon()) == b"ready"
    assert asked == [f"passphrase for {locked}: "]


@pytest.mark.parametrize(("typed", "said"), [("wrong", "wrong passphrase"), (None, "no terminal to ask at")])
def test_a_key_that_stays_locked_is_named(
    machine: Sshd, client: Client, locked: Path, typed: str | None, said: str
) -> None:
    assert said in refusal(client, machine, lambda question: typed if "passphrase" in question else None)
    assert "no terminal to ask at" in refusal(client, machine) or typed


@pytest.fixture
def agent(client: Client) -> Iterator[Callable[..., None]]:
    """An ssh-agent that the client uses; call it to add keys."""
    path = client.home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    until(path.exists)
    environ = client.environ = {**client.environ, "SSH_AUTH_SOCK": str(path)}

    def add(*keys: Path) -> None:
        subprocess.run(["ssh-add", "-q", *map(str, keys)], env=environ, check=True, capture_output=True)

    yield add
    process.terminate()
    process.wait()


def test_a_key_of_the_agent_opens(machine: Sshd, client: Client, agent: Callable[..., None]) -> None:
    agent(client.key)
    client.key.unlink()
    client.key.with_suffix(".pub").unlink()
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"


def test_the_agents_key_that_a_file_names_comes_first(
    own: Callable[..., Sshd], client: Client, agent: Callable[..., None]
) -> None:
    """The server stands two keys; the agent has nine."""
    server = own("MaxAuthTries 2")
    client.knows(server)
    client.may_enter(server)
    others = [client.home / f"key{number}" for number in range(8)]
    for path in others:
        keygen(path)
    agent(*others, client.key)
    client.key.unlink()
    with running(client, server) as stream:
        assert stream.line(soon()) == b"ready"
    assert server.count("Failed publickey") == 0


def test_an_agent_full_of_keys_is_not_emptied_at_a_server(
    machine: Sshd, client: Client, agent: Callable[..., None]
) -> None:
    others = [client.home / f"key{number}" for number in range(8)]
    for path in others:
        keygen(path)
    agent(*others)
    client.key.unlink()
    client.key.with_suffix(".pub").unlink()
    said = refusal(client, machine)
    assert said.count("agent key ED25519 SHA256:") == auth.MAX_OFFERS
    assert "identity_file" in said


def test_a_server_that_has_enough_of_it_is_quoted(
    own: Callable[..., Sshd], client: Client, agent: Callable[..., None]
) -> None:
    server = own("MaxAuthTries 2")
    client.knows(server)
    others = [client.home / f"key{number}" for number in range(4)]
    for path in others:
        keygen(path)
    agent(*others)
    assert "Too many authentication failures" in refusal(client, server)


def test_identities_only_keeps_the_agent_to_itself(machine: Sshd, client: Client, agent: Callable[..., None]) -> None:
    keygen(client.home / "other")
    agent(client.home / "other", client.key)
    keygen(client.home / "third")
    said = refusal(client, machine, identity_file="~/third")
    assert "agent" not in said
    assert said.count("SHA256") == 0


def test_an_agent_that_hangs_is_passed_over(
    machine: Sshd, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "AGENT", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hangs"))
        listener.listen()
        client.environ = {**client.environ, "SSH_AUTH_SOCK": str(tmp_path / "hangs")}
        with running(client, machine) as stream:
            assert stream.line(soon()) == b"ready"


def test_nobody_is_forwarded_an_agent(machine: Sshd, client: Client, agent: Callable[..., None]) -> None:
    agent(client.key)
    client.configure("ForwardAgent yes\n")
    with running(client, machine, ["/bin/sh", "-c", "echo agent=$SSH_AUTH_SOCK"]) as stream:
        assert stream.line(soon()) == b"agent="


def test_through_two_jump_hosts(own: Callable[..., Sshd], machine: Sshd, client: Client) -> None:
    first, second = own(), own()
    client.knows(first, second, machine)
    client.may_enter(first, second)
    jumps = ",".join(f"worker@127.0.0.1:{server.port}" for server in (first, second))
    with running(client, machine, proxy_jump=jumps) as stream:
        assert stream.line(soon()) == b"ready"
        stream.send(b"x" * 3_000_000 + b"\n", soon())
        assert len(stream.line(soon())) == 3_000_000
    assert [server.count("Accepted publickey") for server in (first, second)] == [1, 1]
    assert [server.count("Starting session") for server in (first, second)] == [0, 0]


def test_each_jump_host_has_to_be_known_and_to_let_us_in(
    own: Callable[..., Sshd], machine: Sshd, client: Client
) -> None:
    gate = own()
    jump = f"worker@127.0.0.1:{gate.port}"
    assert f"127.0.0.1:{gate.port} is to be trusted" in refusal(client, machine, proxy_jump=jump)
    client.knows(gate, machine)
    assert f"permission denied for {jump}" in refusal(client, machine, proxy_jump=jump, password=PASSWORD)


def test_a_jump_host_that_does_not_reach_the_machine_says_so(
    own: Callable[..., Sshd], machine: Sshd, client: Client
) -> None:
    gate = own("AllowTcpForwarding no")
    client.knows(gate, machine)
    client.may_enter(gate)
    said = refusal(client, machine, proxy_jump=f"worker@127.0.0.1:{gate.port}")
    assert f"127.0.0.1:{gate.port} refuses a connection to 127.0.0.1 port {machine.port}" in said


def test_through_a_proxy_command(machine: Sshd, client: Client) -> None:
    relay = "import os,socket,sys,threading;s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
    relay += "def up():\n for d in iter(lambda: os.read(0,65536), b''): s.sendall(d)\n"
    relay += (
        "threading.Thread(target=up,daemon=True).start()\nfor d in iter(lambda: s.recv(65536), b''): os.write(1,d)\n"
    )
    (client.home / "relay.py").write_text(relay)
    client.configure(f"ProxyCommand python3 {client.home}/relay.py %h %p\n")
    with running(client, machine) as stream:
        assert stream.line(soon()) == b"ready"


def test_a_proxy_command_that_fails_is_quoted(machine: Sshd, client: Client) -> None:
    client.configure("ProxyCommand echo no way >&2; exit 1\n")
    assert "hung up before it greeted: no way" in refusal(client, machine)


def test_what_trust_shows_and_notes(own: Callable[..., Sshd], machine: Sshd, client: Client) -> None:
    gate = own()
    client.knows()
    client.may_enter(gate)
    shown: list[str] = []
    notices: list[str] = []
    login = client.login(machine, proxy_jump=f"worker@127.0.0.1:{gate.port}")
    way = SshTransport(login, client.environ, notices.append)

    def trust(hop: Hop, key: HostKey) -> bool:
        shown.append(hop.endpoint)
        return True

    way.show_keys(trust)
    assert shown == [f"127.0.0.1:{gate.port}", f"127.0.0.1:{machine.port}"]
    with transport(client, machine, proxy_jump=f"worker@127.0.0.1:{gate.port}") as later:
        later.open(ECHO).close()


def test_weak_algorithms_are_not_spoken(own: Callable[..., Sshd], client: Client) -> None:
    for line in ("Ciphers aes256-cbc,3des-cbc", "MACs hmac-sha1,hmac-md5\nCiphers aes256-ctr"):
        server = own(line)
        client.knows(server)
        assert "offers nothing that is still safe" in refusal(client, server)


def test_a_full_server_is_tried_again_and_named(own: Callable[..., Sshd], client: Client) -> None:
    server = own("MaxStartups 1:100:1")
    client.knows(server)
    client.may_enter(server)
    with socket.create_connection(("127.0.0.1", server.port)):
        until(lambda: server.count("Connection from") == 1)
        said = refusal(client, server, connect_timeout=2)
        assert "hung up before it greeted" in said
        assert "MaxStartups" in said
        assert server.count("past MaxStartups") > 1
    with running(client, server) as stream:
        assert stream.line(soon()) == b"ready"


def test_many_at_once_all_come_in(own: Callable[..., Sshd], client: Client) -> None:
    """24 at once at a server that hangs up on the tenth and all after it."""
    server = own("MaxStartups 9:100:9")
    client.knows(server)
    client.may_enter(server)
    problems: list[BaseException] = []

    def login() -> None:
        try:
            with running(client, server, connect_timeout=60) as stream:
                assert stream.line(soon(60)) == b"ready"
        except BaseException as error:  # noqa: BLE001 (shown below)
            problems.append(error)

    threads = [threading.Thread(target=login) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert server.count("Accepted publickey") == 24


def test_not_more_than_eight_shake_hands_at_once() -> None:
    inside: list[int] = []
    most: list[int] = []

    def shake() -> None:
        with dial.turn("node:22"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=shake) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == dial.AT_ONCE


def test_who_gets_no_turn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "QUEUEING", 0.1)
    with contextlib.ExitStack() as taken:
        for _ in range(dial.AT_ONCE):
            taken.enter_context(dial.turn("busy:22"))
        with pytest.raises(NotReached, match="no turn to connect to busy:22"), dial.turn("busy:22"):
            pass


def test_nobody_there(client: Client, machine: Sshd) -> None:
    with pytest.raises(NotReached, match="cannot connect to 127.0.0.1:1: Connection refused"):
        SshTransport(client.login(machine, port=1), client.environ, no_notice).open(ECHO)


def test_who_hangs_up_hard_while_we_still_connect_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(*_: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr(dial, "_attempt", attempt)
    with pytest.raises(LinkLost, match="Connection reset by peer"):
        dial.dial(Hop("127.0.0.1", 22, "u"), soon())


def test_no_such_host(client: Client, machine: Sshd) -> None:
    said = refusal(client, machine, host="no-such-host.invalid")
    assert "no-such-host.invalid" in said


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n" + b"x" * 9000, "is no ssh server: it says 'HTTP/1.1 400 Bad Request'"),
        (b"", "no ssh server greets there"),
        (b"half", "no ssh server greets there"),
    ],
)
def test_somebody_else_there(client: Client, machine: Sshd, greeting: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            peer, _ = listener.accept()
            peer.sendall(greeting)
            kept.append(peer)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=greet)
        thread.start()
        login = client.login(machine, port=listener.getsockname()[1], connect_timeout=1)
        with pytest.raises(Unreachable, match=said):
            SshTransport(login, client.environ, no_notice).open(ECHO)
        thread.join()
        kept[0].close()


def test_a_server_that_stands_still_is_left_in_time(own: Callable[..., Sshd], client: Client) -> None:
    server = own()
    client.knows(server)
    client.may_enter(server)
    with transport(client, server, connect_timeout=1) as way:
        stream = way.open(ECHO)
        assert stream.line(soon()) == b"ready"
        server.pause(on=True)
        with pytest.raises(TimeoutError):
            stream.line(soon(0.3))
        with pytest.raises(NotReached, match="opened no channel within 1 seconds"):
            way.open(ECHO)
        server.pause(on=False)
        stream.send(b"awake\n", soon())
        assert stream.line(soon()) == b"awake"


def test_a_link_that_is_cut_says_so_and_is_made_anew(own: Callable[..., Sshd], client: Client) -> None:
    server = own()
    client.knows(server)
    client.may_enter(server)
    with transport(client, server) as way:
        stream = way.open(ECHO)
        assert stream.line(soon()) == b"ready"
        server.stop()
        with pytest.raises(LinkLost, match="broke off") as caught:
            stream.line(soon())
        assert not isinstance(caught.value, Ended)
        with pytest.raises(LinkLost):
            stream.send(b"x" * 1_000_000, soon())
        stream.close()
        server.start()
        assert way.open(ECHO).line(soon()) == b"ready"


def test_a_link_that_is_cut_while_shaking_hands_may_be_tried_again(own: Callable[..., Sshd], client: Client) -> None:
    server = own()
    client.knows(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            peer, _ = listener.accept()
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            peer.recv(64)
            peer.close()

        thread = threading.Thread(target=greet)
        thread.start()
        login = client.login(server, port=listener.getsockname()[1], connect_timeout=5)
        with pytest.raises(LinkLost, match="broke during the handshake"):
            SshTransport(login, client.environ, no_notice).open(ECHO)
        thread.join()


def test_a_machine_that_runs_no_commands_says_so(own: Callable[..., Sshd], client: Client) -> None:
    server = own("MaxSessions 0")
    client.knows(server)
    client.may_enter(server)
    assert "refuses another session" in refusal(client, server)


def test_nothing_is_left_behind(machine: Sshd, client: Client) -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with running(client, machine) as stream:
            stream.line(soon())
    until(lambda: (threading.active_count(), len(os.listdir("/proc/self/fd"))) <= before)


def test_no_secret_is_logged(machine: Sshd, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    refusal(client, machine, password="wrong horse", identity_file="~/none")
    assert "horse" not in caplog.text
    assert [record for record in caplog.records if record.levelname in ("DEBUG", "INFO")] == []


def test_options_of_the_socket(machine: Sshd, client: Client) -> None:
    sock = dial.dial(find_way(client.login(machine), client.environ).machine, soon())
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == dial.DEAD * 1000
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    sock.close()


def test_the_tools_are_here() -> None:
    assert all(map(shutil.which, ("sshd", "ssh-agent", "ssh-keygen", "unshare")))
