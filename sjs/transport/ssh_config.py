"""ssh_config: what the user has told ssh about a host. Asked of `ssh -G`, which knows every word of it; without an ssh
binary read with paramiko's parser, which knows some. What we could not honour is refused, never passed over."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from sjs.errors import UsageError
from sjs.transport import host_keys
from sjs.transport.way import NAME, Hop, Login, Way
from sjs.values import replace

PATIENCE = 10
MAX_JUMPS = 8
SSH_G = 10.0
"""Seconds for `ssh -G`, which may run programs of `Match exec`."""

Words = Mapping[str, Sequence[str]]

_SYSTEM = "/etc/ssh/ssh_config"
_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_INSTEAD = "`transport: openssh` can"
_REFUSED = {  # and the values that mean nothing
    "bindaddress": (),
    "bindinterface": (),
    "pkcs11provider": ("none",),
    "proxyusefdpass": ("no",),
    "revokedhostkeys": ("none",),
}
_LINE = re.compile(r"\s*([A-Za-z0-9]+)[\s=]+(.*)")
_MATCHES = {"all", "host", "localuser", "originalhost", "user"}


def find_way(login: Login, environ: Mapping[str, str]) -> Way:
    """Through which servers a machine is reached. Raises UsageError for what cannot be honoured."""
    config = Config(environ)
    words = config.words(login.host, login.user, login.port)
    hops = _hops(config, login.host, login.user, login.port, login.proxy_jump, 0)
    return Way(login, [*hops[:-1], _with_own_keys(config, hops[-1], login)], patience(login, words))


def patience(login: Login, words: Words) -> int:
    """The seconds that each step of connecting may take."""
    said = _one(words, "connecttimeout")
    return login.connect_timeout or (int(said) if said.isdigit() else 0) or PATIENCE


class Config:
    """The files of ssh_config for this user, found by HOME."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._account = pwd.getpwuid(os.getuid())
        self.user = self._account.pw_name
        self.home = environ.get("HOME") or self._account.pw_dir
        self._file = os.path.join(self.home, ".ssh", "config")
        self._found: dict[tuple[str, str, int | None], Words] = {}

    def options(self) -> list[str]:
        """For an ssh binary, which looks for its files by the account, not by HOME."""
        if self.home == self._account.pw_dir:
            return []
        return ["-F", self._file if os.path.exists(self._file) else "/dev/null"]

    def files(self) -> list[str]:
        """Those that are read first."""
        return [self._file] if self.options() else [self._file, _SYSTEM]

    def bases(self, folder: str) -> Sequence[str]:
        """Where a relative name may lie that a file of this folder includes: ssh goes by the account, not by HOME."""
        return folder, os.path.join(self._account.pw_dir, ".ssh")

    def words(self, host: str, user: str, port: int | None) -> Words:
        """What is said of a host, by lower-case keyword."""
        asked = host, user, port
        if asked not in self._found:
            self._found[asked] = self._read(*asked)
        return self._found[asked]

    def _read(self, host: str, user: str, port: int | None) -> Words:
        ssh = shutil.which("ssh", path=self.environ.get("PATH"))
        if ssh:
            return _dumped(self._dump(ssh, host, user, port))
        return _parsed(self._file, host, user, port) if os.path.exists(self._file) else {}

    def expanded(self, path: str) -> str:
        """A path with ~, or one that ssh has expanded by the account."""
        if path.startswith("~/"):
            return self.home + path[1:]
        inside = path.removeprefix(self._account.pw_dir + "/")
        return os.path.join(self.home, inside) if inside != path else path

    def _dump(self, ssh: str, host: str, user: str, port: int | None) -> str:
        login = [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]
        argv = [ssh, "-G", *self.options(), *login, "--", host]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SSH_G)
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"ssh -G {host} takes longer than {SSH_G:.0f} seconds", "does ssh_config run one?"
            ) from None
        except OSError as error:
            raise UsageError(f"cannot run {ssh}: {error.strerror}") from None
        if done.returncode:
            raise UsageError(f"ssh -G {host}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
        return done.stdout


def _dumped(text: str) -> Words:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, value = line.partition(" ")
        found.setdefault(word.lower(), []).append(value)
    return found


def _parsed(path: str, host: str, user: str, port: int | None) -> Words:
    """What paramiko's parser finds, in a file that has no words of which it would make something else."""
    given = "Host *\n" + (f"User {user}\n" if user else "") + (f"Port {port}\n" if port else "")
    import paramiko

    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as source:
            text = source.read()
        _check_words(path, text)
        found = paramiko.SSHConfig.from_text(given + text).lookup(host)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except paramiko.SSHException as error:
        raise UsageError(f"{path}: {error}") from None
    lists: dict[str, Any] = dict(found)
    return {word: value if isinstance(value, list) else [value or "none"] for word, value in lists.items()}


def _check_words(path: str, text: str) -> None:
    """paramiko follows no Include, and takes a Match that it does not know for one that fits."""
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.match(line)
        word, value = (found[1].lower(), found[2].lower()) if found else ("", "")
        unknown = set(value.split()[::2]) - _MATCHES if word == "match" and value.split() != ["all"] else set()
        if word == "include" or unknown:
            said = f"Match {' '.join(sorted(unknown))}" if unknown else "Include"
            raise UsageError(f"{path}:{number}: {said} cannot be read without an ssh binary", "install openssh-client")


def _hops(config: Config, host: str, user: str, port: int | None, jump: str, depth: int) -> list[Hop]:
    """The server and those before it. As in ssh, the last jump host named is the nearest, and those named before it
    replace what ssh_config says of its own jump hosts."""
    words = config.words(host, user, port)
    jump = jump or _one(words, "proxyjump")
    if jump in ("", "none"):
        return [_hop(config, words, host, user, port, _one(words, "proxycommand"))]
    if depth == MAX_JUMPS:
        raise UsageError(f"more than {MAX_JUMPS} jump hosts lead to {host}", "does ProxyJump go round in circles?")
    before, _, last = jump.rpartition(",")
    return [*_hops(config, *parse_jump(last), before, depth + 1), _hop(config, words, host, user, port, "")]


def parse_jump(text: str) -> tuple[str, str, int | None]:
    """Host, user and port of a jump host: [user@]host[:port], ssh://… as well."""
    found = re.fullmatch(r"(?:ssh://)?(?:([^@]+)@)?(\[[^]@]+\]|[^:@]+)(?::(\d{1,5}))?/?", text.strip())
    if not found:
        raise UsageError(f"'{text}' is no jump host", "it is written [user@]host[:port]")
    return found[2].strip("[]"), found[1] or "", int(found[3]) if found[3] else None


def _hop(config: Config, words: Words, alias: str, user: str, port: int | None, command: str) -> Hop:
    _check_honoured(words, alias)
    host = _one(words, "hostname") or alias
    user = user or _one(words, "user") or config.user
    port = port or int(_one(words, "port") or 22)
    for what, name in (("host", host), ("user", user)):
        if not NAME.fullmatch(name):
            raise UsageError(f"ssh_config makes {alias}'s {what} {name!r}, which is no name")
    tokens = {"h": host, "n": alias, "p": str(port), "r": user, "k": _one(words, "hostkeyalias") or alias}
    tokens |= {"u": config.user, "d": config.home, "i": str(os.getuid())}
    files = [_expand(one, tokens) for one in words.get("identityfile", _KEYS) if one != "none"]
    return Hop(
        host.lower(),
        port,
        user,
        alias=_one(words, "hostkeyalias").lower(),
        identity_files=[config.expanded(one) for one in files],
        certificates=[
            config.expanded(_expand(one, tokens)) for one in words.get("certificatefile", ()) if one != "none"
        ],
        identities_only=_one(words, "identitiesonly") == "yes",
        public_keys=_one(words, "pubkeyauthentication") not in ("no", "false"),
        agent=_agent(config, _one(words, "identityagent"), tokens),
        known_hosts=_known_hosts(config, words),
        proxy_command=_expand(command, tokens) if command != "none" else "",
        family=_FAMILIES.get(_one(words, "addressfamily"), socket.AF_UNSPEC),
    )


def _with_own_keys(config: Config, hop: Hop, login: Login) -> Hop:
    """What our config says of keys goes before ssh_config: a key that it names is the only one."""
    if login.identity_file:
        path = config.expanded(login.identity_file)
        hop = replace(hop, identity_files=[path], identities_only=True)
    return hop if login.identities_only is None else replace(hop, identities_only=login.identities_only)


def _check_honoured(words: Words, host: str) -> None:
    for word, idle in _REFUSED.items():
        value = _one(words, word)
        if value and value.lower() not in idle:
            raise UsageError(f"ssh_config has {word} {value} for {host}, which `transport: ssh` cannot do", _INSTEAD)


def _agent(config: Config, value: str, tokens: Mapping[str, str]) -> str:
    if value in ("", "SSH_AUTH_SOCK"):
        return config.environ.get("SSH_AUTH_SOCK", "")
    if value.startswith("$"):
        return config.environ.get(value.strip("${}"), "")
    return "" if value == "none" else config.expanded(_expand(value, tokens))


def _known_hosts(config: Config, words: Words) -> list[str]:
    system = " ".join(words.get("globalknownhostsfile", ())).split() or host_keys.SYSTEM
    user = " ".join(words.get("userknownhostsfile", ())).split() or host_keys.USER
    return [config.expanded(path) for path in (*system, *user) if path not in ("none", "/dev/null")]


def _one(words: Words, word: str) -> str:
    return words[word][0] if words.get(word) else ""


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """The text with its %h and the like."""

    def value(found: re.Match[str]) -> str:
        letter = found[1]
        if letter != "%" and letter not in tokens:
            raise UsageError(f"ssh_config has %{letter} in '{text}', which `transport: ssh` cannot do", _INSTEAD)
        return "%" if letter == "%" else tokens[letter]

    return re.sub(r"%(.)", value, text)
