"""Certificates of a person's keys: which there are, and of which key each is. Whether one is good, the server says."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import paramiko
from paramiko import PKey
from paramiko.agent import AgentKey

from sjs.transport.way import Hop
from sjs.values import dataclass

KIND = "-cert-v01@openssh.com"
MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Certificate:
    """One that can be read. `about`: the public key for which it was made, behind its kind."""

    path: str
    about: bytes

    def is_of(self, key: PKey) -> bool:
        """Whether it was made for this key."""
        message = paramiko.Message(key.asbytes())
        return not message.get_text().endswith(KIND) and self.about.startswith(message.get_remainder())

    def with_key(self, key: PKey) -> PKey:
        """The key, with this to be shown for it."""
        found: Any = AgentKey(key.agent, key.blob, key.comment) if isinstance(key, AgentKey) else copy.copy(key)
        found.load_certificate(self.path)
        return found  # type: ignore[no-any-return]


def found(hop: Hop) -> Sequence[Certificate]:
    """Those beside the keys that are named for a server, and those that are named themselves."""
    return list(_read([*(f"{path}-cert.pub" for path in hop.identity_files), *hop.certificates]))


def _read(paths: Sequence[str]) -> Iterator[Certificate]:
    for path in dict.fromkeys(paths):
        try:
            with open(path, "rb") as source:
                message = paramiko.Message(base64.b64decode(source.read(MAX_BYTES).split()[1]))
        except (OSError, ValueError, IndexError):  # there is none, and nobody has promised one
            continue
        if message.get_string().endswith(KIND.encode()):
            message.get_string()  # the nonce
            yield Certificate(path, message.get_remainder())
