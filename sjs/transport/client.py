"""One ssh connection, as paramiko makes it: without its weak algorithms and endless waits."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Container
from typing import Any

import paramiko
from paramiko.common import cMSG_GLOBAL_REQUEST
from paramiko.ssh_exception import IncompatiblePeer

from sjs.errors import LinkLost, NotReached, Unreachable
from sjs.transport.known_hosts import HostKey
from sjs.transport.permission import Permission
from sjs.transport.way import Hop

WEAK = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-md5", "hmac-sha1-96", "hmac-md5-96"],
}

CURVE = "curve25519-sha256"
OLD_CURVE = "curve25519-sha256@libssh.org"
"""What paramiko knows only by the name that it had before it was standardised (RFC 8731)."""

_PARAMIKO: Any = paramiko.Transport  # what its stubs leave out
_log = logging.getLogger("paramiko")
_log.addHandler(logging.NullHandler())  # else Python prints what nobody handles; we say each error once, ourselves
_log.setLevel(logging.WARNING)


class _Carrier:
    """What carries a connection. A channel of a jump host may be gone when it is to be closed, which paramiko does not
    expect: nobody who waits would ever be told."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.send = sock.send
        self.recv = sock.recv

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def close(self) -> None:
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._sock.close()


class Client(paramiko.Transport):
    """A connection to one server. `kinds`: the kinds of keys by which it is known, to be asked for before others."""

    _preferred_kex = tuple(
        name for one in _PARAMIKO._preferred_kex for name in ([CURVE, one] if one == OLD_CURVE else [one])
    )
    _kex_info = {CURVE: _PARAMIKO._kex_info[OLD_CURVE], **_PARAMIKO._kex_info}

    def __init__(self, sock: Any, hop: Hop, kinds: Container[str]) -> None:
        carrier: Any = _Carrier(sock)  # which has all that a socket has
        super().__init__(carrier, disabled_algorithms=WEAK)
        self.hop = hop
        self.last_words = ""
        self.shown: HostKey | None = None
        self.permission: Permission | None = None
        options = self.get_security_options()
        options.ciphers = sorted(options.ciphers, key=lambda one: "gcm" not in one)  # one pass over the data, not two
        options.key_types = sorted(options.key_types, key=lambda one: _kind(one) not in kinds)

    def negotiate(self, patience: float) -> HostKey:
        """Agree on keys; the server's own, which the caller has to check."""
        self.banner_timeout = self.handshake_timeout = patience
        done = threading.Event()
        self.start_client(event=done)
        if not done.wait(patience):
            raise NotReached(f"{self.hop.endpoint} did not shake hands within {patience:.0f} seconds")
        try:
            key = self.get_remote_server_key()
        except paramiko.SSHException:  # it is gone
            raise self.trouble("during the handshake") from None
        self.shown = HostKey(key.get_name(), key.asbytes())
        return self.shown

    def settle(self) -> None:
        """Once it is logged in: sleep until something comes. paramiko's reader would look ten times a second whether it
        is to end, which `close` tells it by hanging up."""
        self.sock.settimeout(None)

    def channel(self, kind: str, patience: float, to: tuple[str, int] | None = None) -> paramiko.Channel:
        """A channel to a program there, or through it to another address."""
        try:
            return self.open_channel(kind, to, ("127.0.0.1", 0) if to else None, timeout=patience)
        except paramiko.ChannelException as error:
            what = f"a connection to {to[0]} port {to[1]}" if to else "another session"
            hint = "its AllowTcpForwarding may forbid that" if to else "its MaxSessions may be too low"
            raise Unreachable(f"{self.hop.endpoint} refuses {what}: {error.text or error.code}", hint) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self.is_active() or not isinstance(error, paramiko.SSHException):
                raise self.trouble("before a channel was open") from None
            raise NotReached(f"{self.hop.endpoint} opened no channel within {patience:.0f} seconds ({error})") from None

    def shows_life(self, seconds: float) -> bool:
        """Whether the server gives a sign of life within so many seconds. Any reply will do, also that it knows no such
        request; paramiko's own keepalive asks for none."""
        self.completion_event = replied = threading.Event()
        request = paramiko.Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)
        _PARAMIKO._send_user_message(self, request)
        return replied.wait(seconds)

    def get_exception(self) -> Exception | None:
        """What has ended the connection, as whoever waits in paramiko raises it. A message that was damaged on its way
        may have ended it by any error, of the ciphers' too; here all of these are one."""
        error = super().get_exception()
        return error if isinstance(error, (paramiko.SSHException, EOFError, OSError, type(None))) else _damaged(error)

    def trouble(self, when: str) -> Unreachable:
        """Why the connection is gone."""
        error = self.get_exception()
        if isinstance(error, IncompatiblePeer):
            hint = "`transport: openssh` may still speak with it"
            return Unreachable(f"{self.hop.endpoint} offers nothing that is still safe: {error}", hint)
        said = self.last_words or (_reason(error) if error else "")
        return LinkLost(f"the link to {self.hop.endpoint} broke {when}{f': {said}' if said else ''}")

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError, EOFError):  # it may be gone already
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        """paramiko calls it with the server's farewell, which it would only log."""
        message.get_int()
        self.last_words = message.get_text()


def _damaged(error: Exception) -> paramiko.SSHException:
    return paramiko.SSHException(f"a damaged message came ({str(error) or type(error).__name__})")


def _kind(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
