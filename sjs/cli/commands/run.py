"""The verb run: a command on machines now, whatever is queued there."""

from __future__ import annotations

import click

from sjs.answers import Exit
from sjs.cli.commands.wait import MANY
from sjs.cli.common import Call, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.cli.shown import Screen
from sjs.cli.text import signal_name
from sjs.core.job import Report
from sjs.errors import NoManager, NoQueue, Refused, UsageError
from sjs.protocols import Target
from sjs.routing import Fleet


@verb("run")
@click.option("--command", "text", metavar="TEXT", help="Text for /bin/sh.")
@click.option("--when-idle", is_flag=True, help="Only where no job runs.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGV...]")
def run(call: Call, text: str | None, when_idle: bool, argv: tuple[str, ...]) -> int:
    """Run a command in each project_root now, beside the queue, and show what it prints.

    It is given no slot, and it ends when this command does. The exit status is its own, or of several targets how many
    it failed on.

    \b
    What runs on the GPUs there:
      submit all run -- nvidia-smi
    Get the newest code, unless somebody computes with the old one:
      submit all run --when-idle --command 'git pull && make'
    """
    if (text is None) == (not argv):
        raise UsageError("run what?", "shell text: --command 'make'; a plain command: -- make")
    wanted = ["/bin/sh", "-c", text] if text is not None else list(argv)
    choice = machines(call, "run")
    out = call.output(choice)
    ends: list[Exit] = []
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        for answer in fleet.ask(lambda target: _run(target, wanted, when_idle, out)):
            if answer.value is not None:
                out.succeeded(answer.name)
                ends.append(answer.value)
                _tell(out, answer.name, answer.value)
            elif answer.error is not None:
                out.failed(answer.name, answer.error)
    if len(fleet.managers) == 1 and ends:
        return 128 + ends[0].signal if ends[0].signal else ends[0].status or 0
    return out.finish() or min(MANY, sum(one != Exit(0) for one in ends))


def _run(target: Target, argv: list[str], when_idle: bool, out: Output) -> Exit:
    if when_idle:
        _refuse_if_busy(target)
    screen = Screen(out, target.name)
    for said in target.machine.run(argv):
        if isinstance(said, Exit):
            screen.end()
            return said
        screen.take(said)
    raise AssertionError("a command that does not end")


def _refuse_if_busy(target: Target) -> None:
    try:
        report: Report = target.report().report
    except (NoManager, NoQueue):
        return
    if report.running:
        raise Refused(f"{report.running} job(s) running", "say it without --when-idle, or wait for them")


def _tell(out: Output, name: str, end: Exit) -> None:
    if out.json:
        out.record(name, {"exit": end.status, "signal": end.signal})
    elif end.signal is not None:
        out.notice(name, f"ended by signal {signal_name(end.signal)}")
    elif end.status and out.named:
        out.notice(name, f"exit status {end.status}")
