"""The verb delete."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sjs.cli import ids
from sjs.cli.commands.wait import wait_for
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.core.job import Range
from sjs.errors import UsageError
from sjs.protocols import Target


@verb("delete")
@click.argument("which", nargs=-1, metavar="[IDS]...")
@ids.by_name
@click.option("--all", "everything", is_flag=True, help="All jobs.")
def delete(call: Call, which: tuple[str, ...], names: tuple[str, ...], everything: bool) -> int:
    """End jobs, wait until they have ended, and remove their records and outputs: `cancel`, then `clean`.

    IDS are written 5, 1-3, 1,4-6 or last; of one of several targets, gpu1:12.
    """
    if everything == bool(which or names):
        raise UsageError("delete which jobs?", "for example 5, 1-3, last or --all")
    wanted = ids.Ids(all=True) if everything else ids.parse(which, names)
    return fan_out(call, lambda target: _delete(target, wanted), _show, call.choice(of=wanted))


def _delete(target: Target, wanted: ids.Ids) -> Sequence[Range]:
    jobs = wanted.on(target)
    ending = target.cancel(jobs).stopping
    if ending:
        wait_for(target, ending, None)
    return target.change("clean", jobs)


def _show(out: Output, name: str, gone: Sequence[Range]) -> None:
    if out.json:
        out.record(name, {"deleted": [list(span) for span in gone]})
    else:
        out.line(name, f"{ids.count(gone)} deleted ({ids.text(gone)})" if gone else "no job to delete")
