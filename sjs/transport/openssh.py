"""ssh as the ssh binary speaks it, with all that it knows; the first connection of a minute is kept for the others."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from zlib import crc32

from sjs.core import login_shell
from sjs.errors import Ended, LinkLost, NotReached, Unreachable
from sjs.transport import dial, host_keys
from sjs.transport.local import LocalStream, start
from sjs.transport.ssh_config import Config, Words, patience
from sjs.transport.way import Login

KEPT = 60
"""Seconds for which an idle connection is kept."""

SSH_FAILED = 255
LONGEST_SOCKET = 107 - 40 - 5 - 18
"""What is left of a socket's path for its folder, less %C, our mark and what ssh adds while it makes one."""

_BROKEN = re.compile(
    r"connection (to .+ )?(closed|reset) by|broken pipe|not responding|^ssh_dispatch_run_fatal|^corrupted|^bad packet|"
    r"^shared connection to"
)
"""What ssh says of a connection that it had. Of what is behind a jump host it says so, too, when that was never
reached."""

_BEHIND = "unknown port"
_PERMANENT = (
    "permission denied",
    "host key verification failed",
    "could not resolve hostname",
    "too many authentication failures",
    "bad configuration option",
    "no matching",
)


class OpensshTransport:
    """A machine behind ssh, reached with the ssh binary, which asks nobody anything."""

    def __init__(self, login: Login, environ: Mapping[str, str]) -> None:
        self._login = login
        self._environ = environ

    def open(self, argv: Sequence[str]) -> OpensshStream:
        """Run a program there."""
        config = Config(self._environ)
        words = config.words(self._login.host, self._login.user, self._login.port)
        command = ["ssh", *config.options(), *options(self._login, words, config, _folder(self._environ))]
        with contextlib.ExitStack() as turn:
            turn.enter_context(dial.turn(_first_server(self._login, words)))
            stream = start([*command, "--", self._login.host, login_shell.line(argv)], OpensshStream)
            stream.turn = turn.pop_all()
        return stream

    def close(self) -> None:
        """What streams share, ssh looks after."""


class OpensshStream(LocalStream):
    """The pipes of an ssh process, whose status 255 means that ssh has failed, and not the program over there. `turn`:
    to shake hands, over when something is heard."""

    turn: contextlib.ExitStack

    def close(self) -> None:
        self.turn.close()
        super().close()

    def _came(self, data: bytes) -> None:
        self.turn.close()
        super()._came(data)

    def _end(self) -> Unreachable:
        ended = super()._end()
        if not isinstance(ended, Ended) or self._process.returncode != SSH_FAILED:
            return ended
        if self._has_heard:
            return LinkLost(ended.message)
        said = self._last_complaint.removeprefix("ssh: ") or "failed without a word"
        return _kind(said.lower())(f"ssh: {said}")


def _kind(said: str) -> type[Unreachable]:
    """What ssh's last words mean, when nobody else has spoken yet."""
    if any(one in said for one in _PERMANENT):
        return Unreachable
    return LinkLost if _BROKEN.search(said) and _BEHIND not in said else NotReached


def _first_server(login: Login, words: Words) -> str:
    """The one that is met first on the way."""
    jumps = login.proxy_jump or (words.get("proxyjump") or ["none"])[0]
    if jumps != "none":
        return jumps.split(",")[0]
    host = (words.get("hostname") or [login.host])[0]
    return f"{host}:{login.port or (words.get('port') or ['22'])[0]}"


def options(login: Login, words: Words, config: Config, folder: str) -> list[str]:
    """What ssh is told beyond its own files. It never forwards, never asks, and knows whom we know."""
    known = [config.expanded(path) for path in " ".join(words.get("userknownhostsfile", host_keys.USER)).split()]
    chosen = {
        "BatchMode": "yes",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": str(patience(login, words)),
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "PermitLocalCommand": "no",
        "RemoteCommand": "none",
        "RequestTTY": "no",
        "ServerAliveCountMax": "3",
        "ServerAliveInterval": "5",
        "StrictHostKeyChecking": "accept-new" if login.accept_new else "yes",
        "UserKnownHostsFile": " ".join(map(_quoted, [*known, host_keys.own_file(config.environ)])),
    }
    if folder and (words.get("controlpath") or ["none"])[0] == "none":
        chosen |= {
            "ControlMaster": "auto",
            "ControlPath": _quoted(folder.replace("%", "%%") + f"/%C{_mark(login.identity_file)}"),
            "ControlPersist": str(KEPT),
        }
    if login.identities_only or (login.identity_file and login.identities_only is None):
        chosen["IdentitiesOnly"] = "yes"
    return [*_own(login, config), *(part for name, value in chosen.items() for part in ("-o", f"{name}={value}"))]


def _own(login: Login, config: Config) -> list[str]:
    """What our config says of the machine."""
    said = {
        "-l": login.user,
        "-p": str(login.port) if login.port else "",
        "-i": config.expanded(login.identity_file) if login.identity_file else "",
        "-J": login.proxy_jump,
    }
    return [part for option, value in said.items() if value for part in (option, value)]


def _mark(identity: str) -> str:
    """Of a key that the config names: who comes with another one, which may do less, shares no connection with it."""
    return f"-{crc32(identity.encode()) & 0xFFFF:04x}" if identity else ""


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


def _folder(environ: Mapping[str, str]) -> str:
    """A folder of mine alone for ssh's sockets; none, when there is no place with a name short enough."""
    for base in (environ.get("XDG_RUNTIME_DIR", ""), os.path.join(environ.get("HOME", ""), ".cache")):
        folder = os.path.join(base, "sjs", "ssh")
        if os.path.isabs(folder) and len(folder) < LONGEST_SOCKET and _is_private(folder):
            return folder
    return ""


def _is_private(folder: str) -> bool:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:  # then the next place
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
