"""What ssh_config means to us, asked of the ssh binary and read without one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from pathlib import Path

import pytest

from sjs.errors import UsageError
from sjs.transport import ssh_config
from sjs.transport.ssh_config import find_way, parse_jump
from sjs.transport.way import Hop, Login, Way

ME = pwd.getpwuid(os.getuid()).pw_name
both = pytest.mark.parametrize("binary", [True, False], ids=["ssh -G", "parser"])


class Home:
    """A home folder with an ssh_config."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "SSH_AUTH_SOCK": "/the/agent"}

    def write(self, text: str) -> None:
        (self.folder / ".ssh").mkdir(exist_ok=True)
        (self.folder / ".ssh/config").write_text(text)

    def way(self, text: str, login: Login, binary: bool = True) -> Way:
        self.write(text)
        return find_way(login, self.environ if binary else {**self.environ, "PATH": "/nowhere"})

    def hop(self, text: str, login: Login, binary: bool = True) -> Hop:
        return self.way(text, login, binary).machine


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def node(**more: object) -> Login:
    return Login(**{"name": "m", "host": "node", **more})  # type: ignore[arg-type]


@both
def test_without_a_word_ssh_decides(home: Home, binary: bool) -> None:
    hop = home.hop("", node(), binary)
    assert (hop.host, hop.port, hop.user, hop.known_as) == ("node", 22, ME, "node")
    assert f"{home.folder}/.ssh/id_ed25519" in hop.identity_files
    assert (hop.agent, hop.identities_only, hop.public_keys) == ("/the/agent", False, True)
    assert f"{home.folder}/.ssh/known_hosts" in hop.known_hosts
    assert "/etc/ssh/ssh_known_hosts" in hop.known_hosts


@both
def test_an_alias_is_resolved(home: Home, binary: bool) -> None:
    text = "Host node\n HostName Real.Example.org\n Port 2222\n User bob\n IdentityFile ~/keys/%r-%h\n"
    text += " IdentitiesOnly yes\n"
    hop = home.hop(text, node(), binary)
    assert str(hop) == "bob@real.example.org:2222"
    assert hop.known_as == "[real.example.org]:2222"
    assert [path.lower() for path in hop.identity_files] == [f"{home.folder}/keys/bob-real.example.org"]
    assert hop.identities_only


@both
def test_our_config_goes_first(home: Home, binary: bool) -> None:
    text = "Host node\n HostName real\n Port 2222\n User bob\n IdentityFile ~/a\n ConnectTimeout 3\n"
    login = node(port=23, user="eve", identity_file="~/mine", connect_timeout=7)
    way = home.way(text, login, binary)
    assert str(way.machine) == "eve@real:23"
    assert way.machine.identity_files == [f"{home.folder}/mine"]
    assert way.machine.identities_only
    assert way.patience == 7
    assert home.way(text, node(), binary).patience == 3
    assert home.way("", node(), binary).patience == ssh_config.PATIENCE


@both
def test_a_jump_host_comes_before(home: Home, binary: bool) -> None:
    text = "Host node\n ProxyJump gate\nHost gate\n HostName 10.0.0.1\n User door\n"
    assert list(map(str, home.way(text, node(), binary).hops)) == ["door@10.0.0.1:22", f"{ME}@node:22"]


@both
def test_jump_hosts_may_be_behind_others(home: Home, binary: bool) -> None:
    text = "Host node\n ProxyJump b\nHost b\n ProxyJump a@outer:2200\n"
    assert [hop.endpoint for hop in home.way(text, node(), binary).hops] == ["outer:2200", "b:22", "node:22"]
    text = "Host node\n ProxyJump a,b\nHost b\n ProxyJump other\n"
    assert [hop.host for hop in home.way(text, node(), binary).hops] == ["a", "b", "node"]


@both
def test_our_config_may_name_the_jump_host_or_none(home: Home, binary: bool) -> None:
    text = "Host node\n ProxyJump gate\n"
    ways = [home.way(text, node(proxy_jump=word), binary) for word in ("me@x:2,y", "none")]
    assert [list(map(str, way.hops))[:-1] for way in ways] == [["me@x:2", f"{ME}@y:22"], []]


@both
def test_jump_hosts_in_a_circle_are_noticed(home: Home, binary: bool) -> None:
    with pytest.raises(UsageError, match="more than 8 jump hosts.*circles"):
        home.way("Host a\n ProxyJump b\nHost b\n ProxyJump a\n", node(host="a"), binary)


@both
def test_a_proxy_command_is_known_with_its_values(home: Home, binary: bool) -> None:
    assert home.hop("Host node\n ProxyCommand nc -q0 %h %p\n", node(port=24), binary).proxy_command == "nc -q0 node 24"
    assert home.hop("Host node\n ProxyCommand none\n", node(), binary).proxy_command == ""


@both
@pytest.mark.parametrize(
    ("value", "agent"), [("none", ""), ("~/a", "{home}/a"), ("SSH_AUTH_SOCK", "/the/agent"), ("$OTHER", "/other")]
)
def test_which_agent_is_asked(home: Home, binary: bool, value: str, agent: str) -> None:
    home.environ["OTHER"] = "/other"
    assert home.hop(f"IdentityAgent {value}\n", node(), binary).agent == agent.format(home=home.folder)


@both
def test_other_words_that_count(home: Home, binary: bool) -> None:
    text = "HostKeyAlias Cluster\nAddressFamily inet6\nPubkeyAuthentication no\nUserKnownHostsFile ~/kh /kh2\n"
    hop = home.hop(text, node(port=99), binary)
    assert (hop.known_as, hop.family, hop.public_keys) == ("cluster", socket.AF_INET6, False)
    assert list(hop.known_hosts[-2:]) == [f"{home.folder}/kh", "/kh2"]


@both
@pytest.mark.parametrize("line", ["BindAddress 10.0.0.1", "PKCS11Provider /x.so"])
def test_what_we_cannot_do_is_refused_and_openssh_is_named(home: Home, binary: bool, line: str) -> None:
    with pytest.raises(UsageError, match=f"(?i){line.split()[0]}.*transport: openssh"):
        home.hop(f"Host node\n {line}\n", node(), binary)
    home.hop(f"Host other\n {line}\n", node(), binary)


@pytest.mark.parametrize("line", ["Include other", "Match exec true", "Match final all", "Match tagged x", "include=a"])
def test_what_the_parser_would_misread_is_refused(home: Home, line: str) -> None:
    with pytest.raises(UsageError, match="config:2: .*cannot be read without an ssh binary"):
        home.hop(f"User bob\n{line}\n", node(), binary=False)


def test_what_the_parser_understands_is_taken(home: Home) -> None:
    text = f"Match host node user {ME}\n Port 3\nMatch all\n User bob\n"
    assert str(home.hop(text, node(), binary=False)) == "bob@node:3"


def test_the_ssh_binary_reads_includes(home: Home) -> None:
    home.write("")
    (home.folder / "more").write_text("Host node\n Port 77\n")
    assert home.hop(f"Include {home.folder}/more\n", node()).port == 77


def test_a_mistake_in_the_file_is_told(home: Home) -> None:
    with pytest.raises(UsageError, match="ssh -G node: .*bad configuration options"):
        home.hop("Nonsense yes\n", node())


def test_an_ssh_that_hangs_is_not_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_config, "SSH_G", 0.3)
    with pytest.raises(UsageError, match="takes longer than"):
        home.hop('Match exec "sleep 5"\n User bob\n', node())


@both
@pytest.mark.parametrize("line", ["HostName a;b", "HostName -oProxyCommand=x", "User $(id)"])
def test_names_that_are_none_are_refused(home: Home, binary: bool, line: str) -> None:
    with pytest.raises(UsageError, match="is no name|hostname"):
        home.hop(f"Host node\n {line}\n", node(), binary)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("gate", ("gate", "", None)),
        ("me@gate:24", ("gate", "me", 24)),
        ("[fd88::1]:24", ("fd88::1", "", 24)),
        ("ssh://me@gate:24", ("gate", "me", 24)),
    ],
)
def test_jump_hosts_are_written_as_in_ssh(text: str, meant: tuple[str, str, int | None]) -> None:
    assert parse_jump(text) == meant


@pytest.mark.parametrize("text", ["", "a:b", "@", "a b:c:d"])
def test_what_is_no_jump_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no jump host"):
        parse_jump(text)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Way(node(password="secret"), [], 1))


def test_there_is_an_ssh_binary_here() -> None:
    assert shutil.which("ssh")
