"""The way to a machine, in values: what our config says of it, and the ssh servers that one passes."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

from sjs.transport.known_hosts import host_name
from sjs.values import dataclass, field

NAME = re.compile(r"(?!-)[A-Za-z0-9._:-]+")
"""What a host or a user may be called: nothing that a shell, ssh or ssh_config could take for something else."""


@dataclass(frozen=True)
class Login:
    """What our config says of a machine; what it leaves open, ssh_config answers. `name`: the entry's."""

    name: str
    host: str
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    identity_file: str = ""
    identities_only: bool | None = None
    proxy_jump: str = ""
    connect_timeout: int | None = None
    accept_new: bool = False


@dataclass(frozen=True)
class Hop:
    """An ssh server on the way: a jump host, or the machine itself. `agent`: the path of its socket."""

    host: str
    port: int
    user: str
    alias: str = ""
    identity_files: Sequence[str] = ()
    certificates: Sequence[str] = ()
    identities_only: bool = False
    public_keys: bool = True
    agent: str = ""
    known_hosts: Sequence[str] = ()
    proxy_command: str = ""
    family: int = socket.AF_UNSPEC

    @property
    def known_as(self) -> str:
        """The name under which its key is known."""
        return self.alias or host_name(self.host, self.port)

    @property
    def endpoint(self) -> str:
        """Its host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.user}@{self.endpoint}"


@dataclass(frozen=True)
class Way:
    """The servers in the order in which they are passed; the last one is the machine. `patience`: the seconds that each
    step of connecting may take."""

    login: Login
    hops: Sequence[Hop]
    patience: float

    @property
    def machine(self) -> Hop:
        """Where it leads."""
        return self.hops[-1]
