"""What the program worker and the verb workers share: their options, and the token with which a gateway is asked."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from sjs.cli import kinds
from sjs.config import config_path
from sjs.core.quantities import duration_text
from sjs.errors import UsageError
from sjs.worker.order import EMPTY, LEASE, ONCE, Order

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE = "SJS_TOKEN"
FILE = "token"
LONGEST = 4096

OPTIONS = (
    click.option("--stage", required=True, metavar="STAGE", help="Whose items: its number, or its name."),
    click.option(
        "--lease",
        type=kinds.DURATION,
        metavar="TIME",
        help=f"An item is claimed for so long at a time, and again after a third of it; {duration_text(LEASE)} by "
        "default. Of a worker that is gone, its items are free after that.",
    ),
    click.option("--idle", type=kinds.DURATION, metavar="TIME", help="End after so long without an item; else never."),
    click.option("--until-empty", is_flag=True, help="End when no item is free, and none is worked on here."),
    click.option("--once", is_flag=True, help="End after one item."),
    click.option(
        "--on-failure", default="", metavar="STAGE", help="Where items go that fail; else they stay, flagged as failed."
    ),
    click.option(
        "--token-file",
        metavar="FILE",
        help=f"What has the token, for nobody else to read; else ${VARIABLE} is it, or ~/.config/sjs/{FILE} has it.",
    ),
    click.option(
        "--ca",
        "authorities",
        default="",
        metavar="FILE",
        help="Who signs the gateway's certificate, instead of the system's authorities.",
    ),
    click.option("--plain", is_flag=True, help="Without TLS, also beyond this machine: the way there is yours."),
    click.option("-q", "--quiet", is_flag=True, help="No line for each item that is done."),
)


def worker_options(function: F) -> F:
    """Give a command these options."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def order_of(url: str, pipeline: str, argv: Sequence[str], given: Mapping[str, Any], **more: Any) -> Order:
    """What was typed, checked as far as that can be without asking anybody."""
    from sjs.worker.connection import place_of

    ends = [name for name in ("idle", "until_empty", "once") if given[name]]
    if len(ends) > 1:
        raise UsageError("--idle, --until-empty and --once", "give one of them")
    if not argv:
        raise UsageError("what is run for an item?", "-- and a command, with {name} for its values")
    if not pipeline or pipeline in (".", ".."):
        raise UsageError("which pipeline?", "submit worker URL PIPELINE --stage STAGE -- COMMAND")
    place_of(url, given["plain"])
    return Order(
        url=url,
        pipeline=pipeline,
        stage=given["stage"],
        argv=tuple(argv),
        lease=given["lease"] or LEASE,
        until=EMPTY if given["until_empty"] else ONCE if given["once"] else "",
        idle=given["idle"],
        on_failure=given["on_failure"],
        authorities=os.path.abspath(given["authorities"]) if given["authorities"] else "",
        plain=given["plain"],
        quiet=given["quiet"],
        **more,
    )


def token_of(path: str | None, environ: Mapping[str, str]) -> str:
    """The token: never typed, for others see what is."""
    if path is None and environ.get(VARIABLE):
        return _checked(environ[VARIABLE], f"${VARIABLE}")
    usual = config_path(FILE, environ)
    try:
        return _checked(_read(path or usual), path or usual)
    except FileNotFoundError:
        if path is not None:
            raise UsageError(f"--token-file {path}: there is none") from None
    raise UsageError("which token?", f"put it into {usual}, for nobody else to read, or into a --token-file")


def _read(path: str) -> str:
    try:
        with open(path, "rb") as source:
            mode = os.fstat(source.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise UsageError(f"{path} can be read by others", f"chmod 600 {path}; then have the token revoked")
            return source.read(LONGEST + 1).decode("ascii", "replace")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not token or len(token) > LONGEST or any(not "!" <= letter <= "~" for letter in token):
        raise UsageError(f"{where}: there is no token in it", "it is what `submit token make` prints")
    return token
