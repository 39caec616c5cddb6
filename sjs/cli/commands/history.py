"""The verb history: what has ended, and what it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

import click

from sjs.answers import Filter
from sjs.cli import ids
from sjs.cli.commands.look import filters
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.text import command, cpu_time, exit_text, gpus_text, peak_memory, printable, run_time
from sjs.core.job import Job
from sjs.core.lifecycle import FINAL
from sjs.protocols import Target
from sjs.wire import job_to_wire

HEADER = (
    f"{'ID':>6} {'STATE':<9} {'EXIT':>4} {'TRY':>3} {'ENDED':<19} {'TIME':>8} {'CPU':>8} {'MEM':>6} {'GPUS':<6} COMMAND"
)

JOBLOG = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
"""The first line of GNU parallel's --joblog."""


@verb("history")
@click.argument("which", nargs=-1, metavar="[IDS]...")
@click.option("--state", "states", multiple=True, type=click.Choice(FINAL), help="Only these; may be given repeatedly.")
@filters
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "joblog"]),
    default="table",
    help="joblog: the columns of GNU parallel's --joblog, for all that ran.",
)
def history(call: Call, which: tuple[str, ...], states: tuple[str, ...], only: Filter, form: str) -> int:
    """What has ended: how, when, and what it took (time, CPU time, most memory, GPUs).

    \b
    What failed since this morning, and a log for GNU parallel's --resume-failed:
      submit gpu1 history --state failed --since 08:00
      submit gpu1 history --format joblog > log
    """
    wanted = ids.parse(which) if which else ids.Ids(all=True)
    choice = call.choice(of=wanted)
    gather: Callable[[Iterator[Job]], Iterable[Job]] = iter if len(choice.managers) == 1 else list
    if form == "joblog":
        sys.stdout.write(f"{JOBLOG}\n")

    def work(target: Target) -> Iterable[Job]:
        return gather(target.list(wanted.on(target), states or FINAL, only=only))

    return fan_out(call, work, _joblog if form == "joblog" else _table, choice)


def _table(out: Output, name: str, jobs: Iterable[Job]) -> None:
    if not out.json:
        out.line(name, HEADER)
    for job in jobs:
        if out.json:
            out.record(name, job_to_wire(job))
        else:
            out.line(name, row(job))


def row(job: Job) -> str:
    """A job that has ended as a line of the table."""
    ended = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.ended)) if job.ended is not None else "-"
    took = f"{run_time(job, 0.0):>8} {cpu_time(job.usage) or '-':>8} {peak_memory(job.usage) or '-':>6}"
    gpus = f"{gpus_text(job.gpus) or '-':<6}"
    state = f"{job.id:>6} {job.state:<9} {exit_text(job):>4} {job.attempt:>3}"
    return f"{state} {ended:<19} {took} {gpus} {printable(command(job))}"


def _joblog(out: Output, name: str, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if job.started is not None and job.ended is not None:
            sys.stdout.write(joblog_line(name, job, job.started, job.ended))


def joblog_line(host: str, job: Job, started: float, ended: float) -> str:
    """As GNU parallel writes it; there a newline in a command is a NUL. What nobody knows is -1."""
    end = job.end
    code = -1 if end is None or (end.exit is None and end.signal is None) else end.exit or 0
    signal = 0 if end is None else end.signal or 0
    text = command(job).replace("\n", "\0").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"{job.id}\t{host}\t{started:.3f}\t{ended - started:10.3f}\t0\t0\t{code}\t{signal}\t{text}\n"
