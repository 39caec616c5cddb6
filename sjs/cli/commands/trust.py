"""The verb trust."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sjs import reach
from sjs.cli.common import Call, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.config import Manager
from sjs.errors import SjsError, Unreachable, UsageError

if TYPE_CHECKING:
    from sjs.transport.known_hosts import HostKey
    from sjs.transport.way import Hop


@verb("trust")
@click.option(
    "--fingerprint", "fingerprints", multiple=True, metavar="SHA256:...", help="Ask nobody; this is its key's."
)
def trust(call: Call, fingerprints: tuple[str, ...]) -> int:
    """Make a machine's key known, and those of the jump hosts before it.

    Shows each key that is not known yet, and asks. Compare it with what the machine's console says to
    `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. A key that has changed or was revoked is never taken.
    """
    choice = machines(call, "trust")
    if fingerprints and choice.named:
        raise UsageError("a fingerprint is one machine's", "name one target")
    out = call.output(choice)
    for manager in choice.managers:
        try:
            _trust(call, out, manager, [_normal(one) for one in fingerprints])
            out.succeeded(manager.name)
        except SjsError as error:
            out.failed(manager.name, error)
    return out.finish()


def _trust(call: Call, out: Output, manager: Manager, fingerprints: Sequence[str]) -> None:
    if manager.transport == "local":
        return out.line(manager.name, "is this machine")
    found: list[tuple[Hop, HostKey]] = []

    def judge(hop: Hop, key: HostKey) -> bool:
        is_meant = _is_meant(hop, key, fingerprints)
        if is_meant:
            found.append((hop, key))
        return is_meant

    reach.ssh(manager, os.environ, lambda line: None, call.ask).show_keys(judge)
    for hop, key in found:
        _show(out, manager.name, hop, key)
    if not found:
        out.line(manager.name, "is known already")


def _is_meant(hop: Hop, key: HostKey, fingerprints: Sequence[str]) -> bool:
    if key.fingerprint in fingerprints:
        return True
    if fingerprints:
        raise Unreachable(f"{hop.endpoint} shows another key: {key}", "nothing was noted")
    if not sys.stdin.isatty():
        raise UsageError(f"{hop.endpoint} shows {key}, and nobody is at a terminal to say yes", "--fingerprint says it")
    return click.confirm(f"{hop.endpoint} shows {key}. Is that its key?", err=True)


def _show(out: Output, name: str, hop: Hop, key: HostKey) -> None:
    if out.json:
        out.record(name, {"host": hop.host, "port": hop.port, "key": key.kind, "fingerprint": key.fingerprint})
    else:
        out.line(name, f"{hop.endpoint} is known from now on: {key}")


def _normal(fingerprint: str) -> str:
    return "SHA256:" + fingerprint.removeprefix("SHA256:").rstrip("=")
