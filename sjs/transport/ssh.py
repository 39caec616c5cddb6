"""ssh as paramiko speaks it: one connection to a machine, through jump hosts that are shared; a channel a program."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sjs.core import login_shell
from sjs.errors import NotReached, Unreachable
from sjs.protocols import Ask
from sjs.transport import dial, host_keys, jumps, passwords
from sjs.transport.auth import Attempt
from sjs.transport.client import Client
from sjs.transport.host_keys import HostKeys
from sjs.transport.jumps import Gate
from sjs.transport.known_hosts import HostKey, Verdict
from sjs.transport.ssh_config import find_way
from sjs.transport.ssh_stream import SshStream
from sjs.transport.way import Hop, Login, Way

NOTHING: Mapping[str, str] = {}

AnyStream = TypeVar("AnyStream", bound=SshStream)
Trust = Callable[[Hop, HostKey], bool]
"""Whether a key that no file knows shall be known from now on."""


class SshTransport:
    """A machine behind ssh. Connects when it is first used, and again when the connection was lost."""

    def __init__(
        self, login: Login, environ: Mapping[str, str], notice: Callable[[str], None], ask: Ask | None = None
    ) -> None:
        self._login = login
        self._ask = ask
        self._environ = environ
        self._notice = notice
        self._gate: Gate | None = None
        self._client: Client | None = None

    def open(self, argv: Sequence[str]) -> SshStream:
        """Run a program there."""
        return self.open_by(find_way(self._login, self._environ), argv, SshStream)

    def open_by(self, way: Way, argv: Sequence[str], kind: type[AnyStream]) -> AnyStream:
        """The same when the way is known, as a stream of a kind."""
        client = self.connected(way)
        return kind(client, client.channel("session", way.patience), login_shell.line(argv))

    def connected(self, way: Way) -> Client:
        """The connection that there is, or a new one."""
        if self._client is None or not self._client.is_active():
            self._client = self._connect(way, self._may_be_new, is_login=True)
        return self._client

    def clients(self) -> Iterator[Client]:
        """The connections that it is made of, the machine's own first."""
        if self._client is not None:
            yield self._client
        gate = self._gate
        while gate is not None:
            yield gate.client
            gate = gate.before

    def is_known(self, client: Client) -> bool:
        """Whether the key that a server showed is still the one by which it is known."""
        keys = HostKeys(client.hop.known_hosts, host_keys.own_file(self._environ))
        return client.shown is not None and keys.judge(client.hop.known_as, client.shown).state == "known"

    def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        gate, self._gate = self._gate, None
        if client is not None:
            client.close()
        if gate is not None:
            gate.leave()

    def show_keys(self, trust: Trust) -> None:
        """Go there, and ask about each server on the way whose key is unknown; pin those that are trusted. Nobody logs
        in at the machine itself."""
        try:
            self._client = self._connect(find_way(self._login, self._environ), trust, is_login=False)
        finally:
            self.close()

    def _connect(self, way: Way, trust: Trust, is_login: bool) -> Client:
        self.close()
        try:
            with dial.turn(way.hops[0].endpoint):
                self._gate = self._pass(way, len(way.hops) - 1, trust)
                client = self._greet(way.machine, self._gate, way.patience, trust)
                return self._logged_in(client, self._login.password, self._environ) if is_login else client
        except BaseException:
            self.close()
            raise

    def _pass(self, way: Way, count: int, trust: Trust) -> Gate | None:
        """The connection to the last of so many jump hosts."""
        if count == 0:
            return None
        key = tuple(map(repr, way.hops[:count]))  # with all that one may say there who one is

        def connect() -> Gate:
            before = self._pass(way, count - 1, trust)
            try:
                client = self._logged_in(self._greet(way.hops[count - 1], before, way.patience, trust))
            except BaseException:
                if before is not None:
                    before.leave()
                raise
            return Gate(key, client, before)

        return jumps.enter(key, connect)

    def _logged_in(self, client: Client, password: str = "", environ: Mapping[str, str] = NOTHING) -> Client:
        """What the config and the environment say is the machine's password, and no jump host's."""
        try:
            self._attempt(client, password, environ).run()
        except BaseException:
            client.close()
            raise
        client.settle()
        return client

    def _attempt(self, client: Client, password: str, environ: Mapping[str, str]) -> Attempt:
        return Attempt(client, lambda: passwords.find(client.hop, password, environ), self._ask)

    def _greet(self, hop: Hop, gate: Gate | None, patience: float, trust: Trust) -> Client:
        """A connection to a server that is who it ought to be."""
        keys = HostKeys(hop.known_hosts, host_keys.own_file(self._environ))
        client = Client(self._reach(hop, gate, patience), hop, keys.kinds(hop.known_as))
        try:
            self._check(hop, keys, client.negotiate(patience), trust)
        except BaseException:
            client.close()
            raise
        return client

    def _reach(self, hop: Hop, gate: Gate | None, patience: float) -> Any:
        """Something like a socket: through the last jump host, or, for the first server, through the network."""
        if gate is None:
            return dial.dial(hop, time.monotonic() + patience)
        try:
            return gate.client.channel("direct-tcpip", patience, (hop.host, hop.port))
        except NotReached:
            gate.shun()
            raise

    def _check(self, hop: Hop, keys: HostKeys, key: HostKey, trust: Trust) -> None:
        verdict = keys.judge(hop.known_as, key)
        if verdict.state == "known":
            return
        if verdict.state == "revoked":
            raise Unreachable(f"the key of {hop.endpoint} was revoked in {verdict.where}: {key}")
        if verdict.state == "changed":
            hint = (
                "was it really replaced? then remove that line, and trust the new one; if not, somebody is in between"
            )
            raise Unreachable(f"{hop.endpoint} shows {key}, and {verdict.where} knows another key", hint)
        if not trust(hop, key):
            raise Unreachable(
                f"nobody has said yet that {hop.endpoint} is to be trusted: {key}", self._advice(key, verdict)
            )
        keys.pin(hop.known_as, key)
        self._notice(f"{hop.endpoint} is known from now on: {key}")

    def _advice(self, key: HostKey, verdict: Verdict) -> str:
        if verdict.unsupported:
            return f"{verdict.unsupported} names an authority for it, which only `transport: openssh` can ask"
        return (
            f"compare it with `ssh-keygen -lf /etc/ssh/ssh_host_{key.short_kind.lower()}_key.pub` there, then: "
            f"submit {self._login.name} trust --fingerprint {key.fingerprint}"
        )

    def _may_be_new(self, hop: Hop, key: HostKey) -> bool:
        return self._login.accept_new
