"""The program token: who may ask the gateway, and what."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from sjs.cli.common import Call, action, program_of
from sjs.cli.gateway import settings_of
from sjs.cli.kinds import DURATION
from sjs.cli.text import columns, printable
from sjs.errors import UsageError

if TYPE_CHECKING:
    from sjs.gateway.access import Records
    from sjs.gateway.identity.tokens import Token
    from sjs.gateway.settings import Settings

USUAL = ("submit", "read", "cancel")
HEAD = ("ID", "OWNER", "SCOPES", "LABEL", "MADE", "USED", "EXPIRES")


@program_of("token")
def token() -> None:
    """Who may ask the gateway (`submit gateway`), and what: make, list and revoke tokens.

    The gateway may run meanwhile, on the same database, and need not: one has to be made before its first start.
    """


@action(token, "make")
@click.argument("owner")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="WORD",
    help="submit, read, cancel, raw (commands, not specs only), admin (everybody's), metrics. Else the first three.",
)
@click.option("--spec", "specs", multiple=True, metavar="NAME", help="Only jobs of these specs.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only on these targets.")
@click.option("--expires", metavar="TIME", type=DURATION, help="After so long (30d); else never.")
@click.option("--label", default="", metavar="TEXT", help="What it is for.")
@click.option("--rate", type=click.FloatRange(min=0), metavar="N", help="Requests a second, over time.")
@click.option("--burst", type=click.IntRange(min=1), metavar="N", help="Requests at once.")
@click.option("--requests", type=click.IntRange(min=0), metavar="N", help="Open at a time.")
@click.option("--streams", type=click.IntRange(min=0), metavar="N", help="Of events, open at a time.")
@click.option("--queued", type=click.IntRange(min=0), metavar="N", help="Jobs that have not ended.")
@click.option("--items", type=click.IntRange(min=0), metavar="N", help="In all pipelines.")
def make(
    call: Call,
    owner: str,
    scopes: Sequence[str],
    specs: Sequence[str],
    targets: Sequence[str],
    expires: float | None,
    label: str,
    **limits: float | None,
) -> int:
    """Make one, and print it, once: nothing knows it afterwards but who has it.

    OWNER is who its jobs belong to: whoever comes with it sees and ends this owner's, and with `admin` everybody's.
    """
    settings = settings_of(call.config())
    from sjs.gateway import tokens
    from sjs.gateway.identity import tokens as identity

    now = time.time()
    words = [word for one in scopes for word in one.split(",") if word]
    try:
        kept, shown = identity.make(
            owner,
            words or USUAL,
            now,
            label=label,
            specs=specs or None,
            targets=targets or None,
            expires=None if expires is None else now + expires,
            limits=_limits(settings, limits),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    with _records(settings) as records:
        records.write(lambda connection: tokens.add(connection, kept))
    if call.json:
        click.echo(json.dumps({**identity.document(kept), "token": shown.reveal()}))
    else:
        click.echo(shown.reveal())
        sys.stdout.flush()
        sys.stderr.write(printable(f"token {kept.id} of {owner}, for {_scopes(kept)}: it is shown this once") + "\n")
    return 0


@action(token, "list")
@click.option("--owner", metavar="NAME", help="Only this one's.")
@click.option("--all", "everyone", is_flag=True, help="Those, too, that are not good any more.")
def listed(call: Call, owner: str | None, everyone: bool) -> int:
    """The tokens that are good. Their secrets are known to nobody."""
    from functools import partial

    settings = settings_of(call.config())
    from sjs.gateway import tokens
    from sjs.gateway.identity.tokens import document, is_usable

    now = time.time()
    with _records(settings) as records:
        found = records.read(partial(tokens.listed, owner=owner))
    shown = [one for one in found if everyone or is_usable(one, now)]
    if call.json:
        for one in shown:
            click.echo(json.dumps(document(one)))
    else:
        click.echo("\n".join(columns([HEAD, *(_row(one, now) for one in shown)])))
    return 0


@action(token, "revoke")
@click.argument("names", nargs=-1, required=True, metavar="ID...")
def revoke(call: Call, names: Sequence[str]) -> int:
    """From now on they are none: a gateway that runs has heard of it within a second or so."""
    from functools import partial

    settings = settings_of(call.config())
    from sjs.gateway import tokens

    now = time.time()
    status = 0
    with _records(settings) as records:
        for name in names:
            done = records.write(partial(tokens.revoke, name=name, now=now))
            if call.json:
                click.echo(json.dumps({"id": name, "revoked": done}))
            elif not done:
                sys.stderr.write(printable(f"{call.prog}: no token {name} that could be revoked") + "\n")
            status = status if done else 1
    return status


@contextmanager
def _records(settings: Settings) -> Iterator[Records]:
    from sjs.gateway.access import reached

    with reached(settings.database) as records:
        yield records


def _limits(settings: Settings, said: dict[str, float | None]) -> Any:
    from sjs.values import replace

    told: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return replace(settings.limits, **told)


def _scopes(token: Token) -> str:
    from sjs.gateway.identity.tokens import document

    return ",".join(document(token)["scopes"])


def _row(token: Token, now: float) -> Sequence[str]:
    from sjs.gateway.identity.tokens import is_usable

    end = "revoked" if token.revoked is not None else _day(token.expires) or "never"
    if token.revoked is None and not is_usable(token, now):
        end = "expired"
    return (
        token.id,
        printable(token.owner),
        _scopes(token),
        printable(token.label) or "-",
        _day(token.made),
        _day(token.used) or "never",
        end,
    )


def _day(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d")
