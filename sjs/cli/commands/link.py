"""The verb link: the process that makes commands quick."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from sjs.cli.common import Call, verb
from sjs.cli.output import Output
from sjs.core.quantities import duration_text
from sjs.link import idle, place, thin


@verb("link")
@click.option("--stop", is_flag=True, help="End it, and close the connections that it keeps.")
def link(call: Call, stop: bool) -> int:
    """The process on this machine that carries commands out, so that each need not begin from nothing.

    The first command starts it; it ends once no command has come for ten minutes, or for as long as `link_idle:` in
    config.yaml says (0: there is none). `submit --no-link …` does without it for once, SJS_NO_LINK=1 always.
    """
    config = call.config()
    if not idle.is_told():
        return _through(call, ["--stop"] if stop else [])
    if stop:
        idle.tell(0.0)
    stays = idle.USUAL if config.link_idle is None else config.link_idle
    from sjs.transport.link import kept

    _show(call, os.getppid(), 0.0 if stop else stays, [] if stop else kept())
    return 0


def _through(call: Call, options: list[str]) -> int:
    """Have it answer itself, if it is there."""
    path = place.socket_path(os.environ)
    config = ["--config", call.config_file] if call.config_file else []
    json = ["--json"] if call.json else []
    words = [call.word, "link", *config, *json, *options]
    status = thin.handed_over(path, call.prog, words, start=False) if path else None
    if status is None:
        _show(call, None, 0.0)
    return status or 0


def _show(call: Call, pid: int | None, stays: float, kept: Sequence[Mapping[str, Any]] = ()) -> None:
    out = Output(named=False, as_json=call.json)
    if out.json:
        out.record("local", {"pid": pid, "stays": stays, "connections": list(kept)})
    elif pid is None:
        out.line("", "no link runs")
    elif not stays:
        out.line("", f"link {pid} ends with the commands that it carries out")
    else:
        out.line("", f"link {pid} ends once no command has come for {duration_text(stays)}")
        for one in kept:
            out.line("", f"connected to {one['way']} by {one['by']} for {duration_text(one['seconds'])}")
