"""The verb boot: a manager that comes back with its machine."""

from __future__ import annotations

import click

from sjs.answers import Boot
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.protocols import Target


@verb("boot")
@click.option("--remove", is_flag=True, help="No more.")
def boot(call: Call, remove: bool) -> int:
    """Have the manager started whenever its machine starts: by your own systemd there, else by a line of your crontab.

    Nothing of it needs root. A manager that was stopped on purpose stays stopped.
    """

    def work(target: Target) -> Boot:
        return target.machine.boot(not remove)

    return fan_out(call, work, _show_removed if remove else _show, machines(call, "boot"))


def _show(out: Output, name: str, found: Boot) -> None:
    by = ", ".join(found.by)
    if out.json:
        out.record(name, {"by": by, "name": found.name, "lacking": found.lacking})
        return
    out.line(name, f"{by} starts the manager when its machine starts ({found.name})")
    if found.lacking:
        out.notice(name, f"but not before you log in, until root says there: {found.lacking}")


def _show_removed(out: Output, name: str, found: Boot) -> None:
    by = ", ".join(found.by)
    if out.json:
        out.record(name, {"removed": by})
    else:
        out.line(name, f"{by} does not start it any more" if by else "nobody was to start it")
