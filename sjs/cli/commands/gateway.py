"""The program gateway: jobs over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sjs.cli.common import Call, program
from sjs.cli.gateway import settings_of
from sjs.cli.text import printable
from sjs.errors import UsageError
from sjs.values import replace

if TYPE_CHECKING:
    from sjs.gateway.settings import Settings

USAGE = 2


@program("gateway")
@click.option(
    "--listen", multiple=True, metavar="HOST:PORT", help="Where, or the path of a Unix socket; may be given again."
)
@click.option("--certificate", metavar="FILE", help="For TLS, with those that have signed it, in PEM.")
@click.option("--key", metavar="FILE", help="Of the certificate.")
@click.option(
    "--host", "hosts", multiple=True, metavar="NAME", help="By which it is asked for, beside where it listens."
)
@click.option("--insecure-behind-proxy", "behind_proxy", is_flag=True, help="Beyond this machine without TLS.")
@click.option("--allow-root", is_flag=True, help="Run as root, and so does what comes through it.")
@click.option("--new-link-key", is_flag=True, help="Have another key sign links from its next start on, and end.")
def gateway(
    call: Call,
    listen: Sequence[str],
    certificate: str | None,
    key: str | None,
    hosts: Sequence[str],
    behind_proxy: bool,
    allow_root: bool,
    new_link_key: bool,
) -> int:
    """Serve jobs over HTTP: whoever has a token (`submit token`) hands them in at /api/v1, and looks after them.

    It runs nothing itself: jobs go to the targets of config.yaml, where `gateway:` says all that is not typed here. It
    starts with a token only, and beyond this machine with TLS only. SIGTERM or Ctrl-C ends it once whoever is there has
    an answer, a second one at once; SIGHUP has it read its certificates again. What it has accepted runs in any case.
    """
    config = call.config()
    settings = settings_of(config)
    from sjs.gateway.identity.startup import refusals
    from sjs.gateway.serving import running, sockets

    given = sockets.inherited(os.environ)
    settings = running.with_inherited(_told(settings, listen, certificate, key, hosts, behind_proxy), given)
    if new_link_key:
        return _renew(settings)
    start = running.start_of(settings, allow_root)
    found = refusals(start)
    for line in found:
        sys.stderr.write(printable(f"{call.prog}: {line}") + "\n")
    if found:
        return USAGE
    running.serve(settings, config, os.environ, start, given)
    return 0


def _told(
    settings: Settings,
    listen: Sequence[str],
    certificate: str | None,
    key: str | None,
    hosts: Sequence[str],
    behind_proxy: bool,
) -> Settings:
    """The settings with what was typed, which is about the gateway's own port."""
    from sjs.gateway.section import listener_of

    own = [one for one in settings.listeners if not one.dialect]
    others = [one for one in settings.listeners if one.dialect]
    files = next(((one.certificate, one.key) for one in own if not one.socket), ("", ""))
    files = os.path.abspath(certificate) if certificate else files[0], os.path.abspath(key) if key else files[1]
    try:
        own = [listener_of(os.path.abspath(one) if "/" in one else one) for one in listen] or own
    except ValueError as error:
        raise UsageError(f"--listen: {error}") from None
    own = [one if one.socket else replace(one, certificate=files[0], key=files[1], beyond=behind_proxy) for one in own]
    return replace(settings, listeners=[*own, *others], hosts=[*settings.hosts, *hosts])


def _renew(settings: Settings) -> int:
    import time

    from sjs.gateway.artifacts import link_keys

    left = link_keys.renewed(settings.link_key_file, time.time(), settings.links)
    sys.stderr.write(
        f"{settings.link_key_file} has a new key, and {left} for links that were made before; start the gateway anew\n"
    )
    return 0
