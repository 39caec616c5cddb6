"""Ways to log in as people have them, by either way of ssh, at real servers: certificates, passwords, IPv6, Include."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from sjs.errors import SjsError
from sjs.protocols import Stream, Transport
from sjs.transport.openssh import OpensshTransport
from sjs.transport.ssh import SshTransport
from sjs.transport.way import Login
from tests.transport.sshd import PASSWORD, Client, Sshd, keygen, until
from tests.transport.test_ssh import ECHO, soon

PAM = Path("/etc/pam.d/sshd")


class Way:
    """One of the two ways of ssh, from a home folder."""

    def __init__(self, kind: str, client: Client) -> None:
        self.kind = kind
        self._client = client
        self.notices: list[str] = []
        self.environ: dict[str, str] = {**client.environ, "XDG_RUNTIME_DIR": str(client.home / "run")}

    def _transport(self, login: Login) -> Transport:
        if self.kind == "openssh":
            return OpensshTransport(login, self.environ)
        return SshTransport(login, self.environ, self.notices.append)

    def opens(self, server: Sshd, **more: object) -> bool:
        """Whether one comes in."""
        if self.kind == "openssh":  # it looks for keys in the home that passwd names, whatever HOME says
            more = {"identity_file": "~/.ssh/id_ed25519", "identities_only": False, **more}
        transport = self._transport(self._client.login(server, **more))
        try:
            stream: Stream = transport.open(ECHO)
            try:
                return stream.line(soon()) == b"ready"
            finally:
                stream.close()
        finally:
            transport.close()

    def refusal(self, server: Sshd, **more: object) -> str:
        with pytest.raises(SjsError) as caught:
            self.opens(server, **more)
        return str(caught.value)


@pytest.fixture(params=["ssh", "openssh"])
def way(request: pytest.FixtureRequest, person: Client) -> Way:
    return Way(request.param, person)


@pytest.fixture
def ours(person: Client) -> Way:
    """The way that can be asked for a password."""
    return Way("ssh", person)


def signed(server: Sshd, public: Path, *, host: bool = False, valid: str = "-1m:+1h") -> Path:
    """Have the server's authority sign a key; the certificate beside it."""
    name = "localhost,::1" if host else "worker"
    kind = ["-h"] if host else []
    argv = ["ssh-keygen", "-q", "-s", str(server.folder / "ca"), "-I", "t", *kind, "-n", name, "-V", valid, str(public)]
    subprocess.run(argv, check=True, capture_output=True)
    return public.with_name(public.name.replace(".pub", "-cert.pub"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """It is reached by IPv6 only, believes an authority, and has a certificate of its own."""
    folder = tmp_path_factory.mktemp("ssh") / "six"
    lines = [f"TrustedUserCAKeys {folder}/ca.pub", f"HostCertificate {folder}/host_key-cert.pub"]
    found = Sshd(folder, lines, address="::1")
    keygen(folder / "ca")
    signed(found, folder / "host_key.pub", host=True)
    with found:
        yield found


@pytest.fixture
def person(server: Sshd, tmp_path: Path) -> Client:
    """Somebody who knows the server, and whose key it does not know."""
    found = Client(tmp_path / "client")
    found.knows(server)
    (server.folder / "authorized_keys").write_text("")
    return found


def test_a_machine_that_has_an_ipv6_address_only(way: Way, server: Sshd, person: Client) -> None:
    person.may_enter(server)
    assert way.opens(server)
    assert "::1" in way.refusal(server, port=1)


def test_it_is_made_known_by_its_address(ours: Way, server: Sshd, person: Client) -> None:
    """As `trust` does; what that notes is believed by the ssh binary, too."""
    person.may_enter(server)
    (person.home / ".ssh/known_hosts").unlink()
    assert f"nobody has said yet that [::1]:{server.port} is to be trusted" in ours.refusal(server)
    transport = SshTransport(person.login(server), ours.environ, ours.notices.append)
    transport.show_keys(lambda hop, key: True)
    assert (person.home / ".config/sjs/known_hosts").read_text() == server.known
    assert ours.opens(server)
    other = Way("openssh", person)
    assert other.opens(server)


def test_a_certificate_beside_the_key_opens(way: Way, server: Sshd, person: Client) -> None:
    assert "denied" in way.refusal(server)
    signed(server, person.key.with_suffix(".pub"))
    assert way.opens(server)


def test_a_certificate_of_an_rsa_key_opens_too(ours: Way, server: Sshd, person: Client) -> None:
    argv = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(person.home / "mine")]
    subprocess.run(argv, check=True)
    signed(server, person.home / "mine.pub")
    assert ours.opens(server, identity_file="~/mine")


def test_a_certificate_that_ssh_config_names_opens(way: Way, server: Sshd, person: Client) -> None:
    signed(server, person.key.with_suffix(".pub")).rename(person.home / "by-the-authority")
    person.configure(f"CertificateFile {person.home}/by-the-authority\n")
    assert way.opens(server)


def test_what_a_certificate_was_made_for_is_told_and_another_key_goes_without(
    ours: Way, server: Sshd, person: Client
) -> None:
    """One that is over is tried, then the key alone; one of another key is not, nor is what is no certificate."""
    signed(server, person.key.with_suffix(".pub"), valid="-2h:-1h")
    said = ours.refusal(server)
    assert "id_ed25519 with " in said and said.count("id_ed25519-cert.pub") == 1
    keygen(person.home / "mine")
    person.key.with_name("id_ed25519-cert.pub").rename(person.home / "mine-cert.pub")
    assert "cert.pub" not in ours.refusal(server, identity_file="~/mine")
    (person.home / "mine-cert.pub").write_text("ssh-ed25519 garbage")
    assert "cert.pub" not in ours.refusal(server, identity_file="~/mine")
    person.may_enter(server)
    assert ours.opens(server)


@pytest.fixture
def agent(person: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Mapping[str, str]]]:
    """An ssh-agent; call it to add keys with the passphrase "secret"."""
    path = person.home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    until(path.exists)
    ask = person.home / "ask"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o700)

    def add(key: Path) -> Mapping[str, str]:
        answers = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        environ = {**person.environ, "SSH_AUTH_SOCK": str(path)}
        argv = ["ssh-add", "-q", str(key)]
        subprocess.run(argv, env={**environ, **answers}, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))  # for the ssh binary
        return environ

    yield add
    process.terminate()
    process.wait()


@pytest.mark.parametrize("certified", [False, True])
def test_a_locked_key_opens_that_an_agent_has(
    way: Way, server: Sshd, person: Client, agent: Callable[..., Mapping[str, str]], certified: bool
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(person.key)], check=True)
    way.environ.update(agent(person.key))
    if certified:
        signed(server, person.key.with_suffix(".pub"))  # the agent does not have it
    else:
        person.may_enter(server)
    assert way.opens(server)


def test_a_certificate_that_the_agent_has_opens(
    way: Way, server: Sshd, person: Client, agent: Callable[..., Mapping[str, str]]
) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(person.key)], check=True)
    certificate = signed(server, person.key.with_suffix(".pub"))
    way.environ.update(agent(person.key))
    for path in (person.key, person.key.with_suffix(".pub"), certificate):
        path.unlink()
    assert way.opens(server)


def test_a_machine_that_an_authority_vouches_for(server: Sshd, person: Client) -> None:
    """The ssh binary can ask it; we say who can."""
    person.may_enter(server)
    authority = (server.folder / "ca.pub").read_text()
    (person.home / ".ssh/known_hosts").write_text(f"@cert-authority * {authority}")
    assert Way("openssh", person).opens(server)
    said = Way("ssh", person).refusal(server)
    assert "names an authority for it, which only `transport: openssh` can ask" in said


def test_a_host_that_ssh_config_knows_by_another_file(way: Way, server: Sshd, person: Client) -> None:
    """Include, Match and a ProxyCommand, as ssh reads them."""
    person.may_enter(server)
    (person.home / ".ssh/more").write_text(
        f"Host far\n HostName ::1\n Port {server.port}\nMatch host ::1 user worker exec true\n HostKeyAlias other\n"
    )
    person.configure(f"Include {person.home}/.ssh/more\n")
    assert re.search("to be trusted|verification failed", way.refusal(server, host="far", port=None))
    (person.home / ".ssh/known_hosts").write_text(f"other {server.key}\n")
    assert way.opens(server, host="far", port=None)
    relay = "import os, select, socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])))"
    (person.home / "relay").write_text(
        f"{relay}\nwhile True:\n ready = select.select([0, s], [], [])[0]\n"
        " a, b = (os.read(0, 9999) if 0 in ready else None, s.recv(9999) if s in ready else None)\n"
        " if b'' in (a, b): break\n s.sendall(a or b''); b and os.write(1, b)\n"
    )
    person.configure(f"Host far\n ProxyCommand {sys.executable} {person.home}/relay ::1 {server.port}\n")
    (person.home / ".ssh/known_hosts").write_text(f"[far]:{server.port} {server.key}\n")
    assert way.opens(server, host="far")


def keyring(get: Callable[[str, str], str | None]) -> ModuleType:
    """What `import keyring` gives where it is installed."""
    found = ModuleType("keyring")
    found.get_password = get  # type: ignore[attr-defined]
    found.errors = SimpleNamespace(KeyringError=KeyringError)  # type: ignore[attr-defined]
    return found


class KeyringError(Exception):
    """As keyring has it."""


def test_a_password_of_the_environment_opens(ours: Way, server: Sshd) -> None:
    ours.environ["SJS_PASSWORD"] = PASSWORD
    assert ours.opens(server)
    ours.environ["SJS_PASSWORD"] = "wrong horse"
    said = ours.refusal(server)
    assert ("password of $SJS_PASSWORD" in said, "horse" in said) == (True, False)
    assert ours.opens(server, password=PASSWORD)  # of the config


def test_a_password_of_the_keyring_opens(ours: Way, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def get(service: str, user: str) -> str | None:
        asked.append((service, user))
        return PASSWORD

    monkeypatch.setitem(sys.modules, "keyring", keyring(get))
    assert ours.opens(server)
    assert asked == [("sjs", f"worker@[::1]:{server.port}")]


def test_a_keyring_that_is_locked_is_named(ours: Way, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(service: str, user: str) -> str | None:
        raise KeyringError("the collection is locked")

    monkeypatch.setitem(sys.modules, "keyring", keyring(get))
    assert "no password of the keyring (the collection is locked)" in ours.refusal(server)
    monkeypatch.setitem(sys.modules, "keyring", keyring(lambda service, user: None))
    assert "of the keyring" not in ours.refusal(server)
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "of the keyring" not in ours.refusal(server)


def test_a_password_is_the_machines_and_no_jump_hosts(ours: Way, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setitem(sys.modules, "keyring", keyring(lambda service, user: asked.append(user)))
    ours.environ["SJS_PASSWORD"] = PASSWORD
    said = ours.refusal(server, proxy_jump=f"worker@[::1]:{server.port}")
    assert said.startswith(f"permission denied for worker@[::1]:{server.port}")
    assert asked == [f"worker@[::1]:{server.port}"]


@pytest.fixture(scope="module")
def questioner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that asks questions, as PAM has them."""
    if not PAM.exists():
        pytest.skip(f"no {PAM}: this sshd has no PAM")
    lines = ["UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes"]
    with Sshd(tmp_path_factory.mktemp("ssh") / "questioner", lines) as found:
        yield found


def test_a_server_that_asks_questions_is_answered(ours: Way, questioner: Sshd, person: Client) -> None:
    person.knows(questioner)
    ours.environ["SJS_PASSWORD"] = PASSWORD
    assert ours.opens(questioner)
    assert questioner.count("Accepted keyboard-interactive/pam for worker") == 1
