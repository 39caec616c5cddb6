"""Saying who we are: keys of the agent and of files, with their certificates, then a password that is known, or what a
person answers. Whoever calls has checked the server's key before.

No more keys are offered than ssh would offer, and never more than MAX_OFFERS, for a server counts each as an attempt
(MaxAuthTries) and may lock out whoever makes too many (PerSourcePenalties).
"""

from __future__ import annotations

import base64
import contextlib
import functools
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import PKey
from paramiko.agent import AgentSSH
from paramiko.pkey import UnknownKeyType

from sjs.errors import LinkLost, NotReached, Unreachable
from sjs.protocols import Ask
from sjs.transport.certificates import found as certificates_of
from sjs.transport.client import Client
from sjs.transport.known_hosts import HostKey
from sjs.transport.passwords import NONE, Secret
from sjs.transport.permission import InAgent, InFile, Permission, look
from sjs.transport.way import Hop
from sjs.values import dataclass, field

MAX_OFFERS = 5
ANSWER = 30.0
"""Seconds for a server's answer: it may ask others, and waits on purpose after a wrong password."""

AGENT = 5.0
SIGNING = 60.0
"""Seconds for an agent to sign: it may ask its owner first."""

FAREWELL = 2.0
"""Seconds for the end of a broken connection to be noticed by who reads it, too."""

TYPING = 110.0
"""Seconds for a person to answer; a server's LoginGraceTime is 120."""


class Denied(Unreachable):
    """Nothing that was offered has opened."""


_asking = threading.Lock()
_unlocked: dict[str, PKey | None] = {}


@dataclass
class Attempt:
    """Logging in at one server. `known`: finds a password that nobody has to type; `ask`: a person, if there is one.
    `tried`: what was offered, and what could not be, in words. `takes`: what the server said that it takes."""

    client: Client
    known: Callable[[], Secret] = lambda: NONE
    ask: Ask | None = None
    tried: list[str] = field(default_factory=list)
    takes: Sequence[str] = ("password",)

    def run(self) -> None:
        """Log in, or say what was tried."""
        if self.client.hop.public_keys:
            self._keys()
        steps = () if self.client.is_authenticated() else self._steps()
        for step in steps:
            step()
            if self.client.is_authenticated():
                return
        if self.client.is_authenticated():
            return
        raise self._denied() if self.client.is_active() else self._gone(EOFError())

    def _steps(self) -> Sequence[Callable[[], None]]:
        """What to do when no key has opened."""
        secret = self.known()
        if secret.text:
            return [functools.partial(self._password, secret), functools.partial(self._interactive, secret)]
        if secret.source:
            self.tried.append(secret.source)
        return [self._questions, self._asked_password] if self.ask else []

    def _denied(self, more: str = "") -> Denied:
        hop = self.client.hop
        tried = ", ".join(self.tried) or "nothing, for there is no key, neither in an agent nor in a file"
        hint = f"ssh-copy-id {hop.user}@{hop.host} puts a key there; `identity_file:` in the config names one here"
        return Denied(f"permission denied for {hop}: tried {tried}{more}", hint)

    def _try(self, label: str, patience: float, offer: Callable[[], object]) -> bool:
        """Make an offer; whether another one of this kind may follow, should it have been declined."""
        self.tried.append(label)
        self.client.auth_timeout = patience
        until = time.monotonic() + patience
        try:
            return not offer()  # a list of what is wanted besides
        except paramiko.BadAuthenticationType as error:
            self.takes = error.allowed_types
            self.tried[-1] += f" (it takes {' or '.join(error.allowed_types)})"
            return False
        except paramiko.AuthenticationException as error:
            if not self.client.is_active():
                raise self._gone(error) from None
            if time.monotonic() >= until:
                raise NotReached(f"{self.client.hop} does not answer to a login within {patience:.0f} s") from None
            return True
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._gone(error) from None

    def _gone(self, error: Exception) -> Unreachable:
        self.client.join(FAREWELL)  # until all has been read: the server may have said why
        if self.client.last_words:
            return self._denied(f"; then it hung up: {self.client.last_words}")
        return LinkLost(f"the link to {self.client.hop} broke during the login ({error or type(error).__name__})")

    def _keys(self) -> None:
        user = self.client.hop.user
        with _agent_keys(self.client.hop.agent, self.tried) as agent:
            for number, (label, key, by) in enumerate(_candidates(self.client.hop, agent, self.tried, self.ask)):
                if number == MAX_OFFERS:
                    self.tried.append("no more, for a server counts them: `identity_file:` names the right one")
                    return
                patience = SIGNING if label.startswith("agent") else ANSWER
                may_go_on = self._try(label, patience, functools.partial(self.client.auth_publickey, user, key))
                if self.client.is_authenticated():
                    self.client.permission = by
                    return
                if not may_go_on:
                    return

    def _password(self, secret: Secret) -> None:
        user = self.client.hop.user
        self._try(secret.source, ANSWER, lambda: self.client.auth_password(user, secret.text, fallback=False))

    def _interactive(self, secret: Secret) -> None:
        def answer(title: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
            return ["" if is_shown else secret.text for _, is_shown in prompts]

        user = self.client.hop.user
        self._try("keyboard-interactive", ANSWER, lambda: self.client.auth_interactive(user, answer))

    def _questions(self) -> None:
        """The server's own for the person, if it has some; else it says by the way what it takes."""
        asked: list[str] = []

        def answer(title: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
            asked.extend(text for text, _ in prompts)
            self.takes = ()  # what was answered wrongly is not asked for once more by another name
            return [self._answer(text) for text, _ in prompts]

        user = self.client.hop.user
        self._try("keyboard-interactive", TYPING, lambda: self.client.auth_interactive(user, answer))
        if not asked:
            self.tried.pop()

    def _asked_password(self) -> None:
        if "password" in self.takes:
            typed = self._answer("password: ")
            if typed:
                self._password(Secret(typed, "password"))

    def _answer(self, question: str) -> str:
        said = self.ask(f"({self.client.hop}) {_plain(question)}") if self.ask else None
        return said or ""


Candidate = tuple[str, PKey, Permission | None]
"""A key, what it is called, and by what it may be used, if that can be asked about later."""


def _candidates(hop: Hop, agent: Sequence[Any], notes: list[str], ask: Ask | None) -> Iterator[Candidate]:
    """All keys that may open, and before each what a certificate says of it."""
    certificates = certificates_of(hop)
    for label, key, by in _keys_of(hop, agent, notes, ask):
        for one in certificates:
            if one.is_of(key):
                yield f"{label} with {_shown(one.path)}", one.with_key(key), by
        yield label, key, by


def _keys_of(hop: Hop, agent: Sequence[Any], notes: list[str], ask: Ask | None) -> Iterator[Candidate]:
    """Keys in ssh's order: the agent's that files name, its others, then files that can be read, then locked ones."""
    files = [path for path in hop.identity_files if os.path.exists(path) or os.path.exists(path + ".pub")]
    if hop.identities_only:  # else they are those that ssh would look for
        notes += [f"{_shown(path)} (no such file)" for path in hop.identity_files if path not in files]
    named = {path: _public_part(path) for path in files}
    blobs = [key.asbytes() for key in agent]
    listed = [key for key in agent if key.asbytes() in named.values()]
    others = [] if hop.identities_only else [key for key in agent if key.asbytes() not in named.values()]
    for key in (*listed, *others):
        shown = HostKey(key.get_name(), key.asbytes())
        yield f"agent key {shown}", key, InAgent(hop.agent, key.asbytes())
    locked = []
    for path in files:
        if named[path] in blobs or not os.path.exists(path):
            continue
        by = InFile(path, look(path))
        found = _read_key(path, None, notes)
        if found == LOCKED:
            locked.append(path)
        elif not isinstance(found, str):
            yield _shown(path), found, by
    for path in locked:
        unlocked = _unlock(path, notes, ask)
        if unlocked is not None:
            yield _shown(path), unlocked, None


LOCKED, UNFIT = "locked", "unfit"


def _read_key(path: str, passphrase: str | None, notes: list[str]) -> PKey | str:
    """The key of a file; else LOCKED or UNFIT."""
    try:
        if os.stat(path).st_uid == os.geteuid() and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            notes.append(f"{_shown(path)} (not offered: others can read it, chmod 600)")
            return UNFIT
        return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)  # type: ignore[arg-type]
    except (TypeError, paramiko.PasswordRequiredException):
        return LOCKED
    except OSError as error:
        notes.append(f"{_shown(path)} ({error.strerror})")
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, UnknownKeyType):
        why = "wrong passphrase" if passphrase else "which only `transport: openssh` may be able to read"
        notes.append(f"{_shown(path)} ({why})")
    return UNFIT


def _unlock(path: str, notes: list[str], ask: Ask | None) -> PKey | None:
    """Ask for a key's passphrase: once, whoever else needs the key, one question at a time."""
    with _asking:
        if path not in _unlocked:
            passphrase = ask(f"passphrase for {_shown(path)}: ") if ask else None
            if passphrase is None:
                notes.append(f"{_shown(path)} (has a passphrase, and there is no terminal to ask at; ssh-add can)")
                return None
            found = _read_key(path, passphrase, notes)
            _unlocked[path] = None if isinstance(found, str) else found
        elif _unlocked[path] is None:
            notes.append(f"{_shown(path)} (wrong passphrase)")
        return _unlocked[path]


def _plain(question: str) -> str:
    """A server's words, unable to do anything to a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in question[:200])


def _public_part(path: str) -> bytes:
    """What is public of a key, from the file beside it, or from its own, if that is not locked."""
    try:
        with open(path + ".pub", "rb") as source:
            return base64.b64decode(source.read(1 << 16).split()[1])
    except (OSError, ValueError, IndexError):
        found = _read_key(path, None, [])
        return b"" if isinstance(found, str) else found.asbytes()


def _shown(path: str) -> str:
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if path.startswith(home + "/") else path


@contextlib.contextmanager
def _agent_keys(path: str, notes: list[str]) -> Iterator[Sequence[Any]]:
    """The keys of the agent that listens there, for as long as they may have to sign."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        yield _ask_agent(path, sock, notes) if path else ()


def _ask_agent(path: str, sock: socket.socket, notes: list[str]) -> Sequence[Any]:
    agent: Any = AgentSSH()
    try:
        sock.settimeout(AGENT)
        sock.connect(path)
        agent._connect(sock)  # its public way in takes no socket, so it could wait for ever
        sock.settimeout(SIGNING)
    except (OSError, paramiko.SSHException) as error:
        notes.append(f"no agent ({path}: {error})")
        return ()
    found: Sequence[Any] = agent.get_keys()
    return found
