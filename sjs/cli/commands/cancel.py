"""The verb cancel."""

from __future__ import annotations

import click

from sjs.answers import Cancelled
from sjs.cli import ids, kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.errors import UsageError


@verb("cancel")
@click.argument("which", nargs=-1, metavar="IDS...")
@ids.by_name
@click.option("--jid", "jids", multiple=True, metavar="IDS", help="The same as IDS.")
@click.option(
    "--grace",
    type=kinds.GRACE,
    metavar="TIME",
    help="Time between TERM and KILL, instead of what the job was given by `job --grace` (10 seconds by default).",
)
@click.option("--signal", type=kinds.SIGNAL, metavar="NAME", help="Only send this signal to those that run: USR1, 10.")
@click.option("--note", metavar="TEXT", help="Why: their records say so.")
def cancel(
    call: Call,
    which: tuple[str, ...],
    names: tuple[str, ...],
    jids: tuple[str, ...],
    grace: float | None,
    signal: int | None,
    note: str | None,
) -> int:
    """End jobs: those that wait never start, those that run are ended with everything they have started.

    IDS are written 5, 1-3, 1,4-6, last or all; of one of several targets, gpu1:12.

    \b
    Have a job that knows how write down where it is:
      submit gpu1 cancel 7 --signal USR1
    """
    if not (which or jids or names):
        raise UsageError("cancel which jobs?", "for example 5, 1-3, last or all")
    wanted = ids.parse([*which, *jids], names)
    if signal is not None and (grace is not None or note is not None):
        what = "--grace" if grace is not None else "--note"
        raise UsageError(f"{what} and --signal", "a signal alone ends nothing, so there is nothing to wait for or tell")
    choice = call.choice(of=wanted)
    return fan_out(call, lambda target: target.cancel(wanted.on(target), grace, signal, note), _show_cancelled, choice)


def _show_cancelled(out: Output, name: str, found: Cancelled) -> None:
    fates = vars(found)
    if out.json:
        out.record(name, {fate: [list(span) for span in ranges] for fate, ranges in fates.items()})
        return
    words = {
        "stopping": "being ended",
        "ended": "had ended already",
        "moving": "on the way to another queue, and not ended",
    }
    parts = [
        f"{ids.count(ranges)} {words.get(fate, fate)} ({ids.text(ranges)})" for fate, ranges in fates.items() if ranges
    ]
    out.line(name, ", ".join(parts) or "no job to cancel")
