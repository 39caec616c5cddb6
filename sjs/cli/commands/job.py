"""The verb job. Its lines are those of simple-job-submit, key for key."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import click

from sjs.answers import Accepted
from sjs.cli import ids
from sjs.cli.commands.wait import Pursuit, Verdict, tell
from sjs.cli.common import Call, verb
from sjs.cli.handing import Handing, Sent, Wish
from sjs.cli.native import Sectioned
from sjs.cli.options import job_options
from sjs.cli.output import Output, flush
from sjs.cli.rehearsal import rehearse_all, rehearse_any
from sjs.cli.shared import shared_of, shared_options
from sjs.cli.snapshot import say_taken
from sjs.cli.source import Source, checked_for
from sjs.cli.text import ending
from sjs.errors import SjsError, UsageError
from sjs.protocols import Target
from sjs.routing import Fleet

MANY_LINES = 10_000
"""With more jobs than this, one line sums them up."""


@verb("job", Sectioned)
@click.option("--command", "commands", multiple=True, metavar="TEXT", help="Text for /bin/sh. May be given repeatedly.")
@click.option("--command-file", metavar="FILE", help="A job a line; '-' is stdin. Empty lines and # lines are skipped.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGV...]")
@job_options
@shared_options
@click.option(
    "--wait",
    is_flag=True,
    help="Wait for the end; exit as the job does (`wait --help`), or with the number of failed ones.",
)
@click.option("--follow", is_flag=True, help="Copy the job's output as it comes, and exit as the job does.")
@click.option("--key", metavar="TEXT", help="A name for this handing in: with the same one again, nothing runs twice.")
@click.option("--if-free", is_flag=True, help="Only into slots that are free now; else refuse, and exit with 1.")
@click.option(
    "--dry-run", is_flag=True, help="Only say where each job would go, and why; of a cluster, show what would be in it."
)
@click.option("-p", "--parsable", is_flag=True, help="Print only ids.")
def job(
    call: Call,
    commands: tuple[str, ...],
    command_file: str | None,
    argv: tuple[str, ...],
    wait: bool,
    follow: bool,
    key: str | None,
    if_free: bool,
    parsable: bool,
    dry_run: bool,
    **given: Any,
) -> int:
    """Hand in jobs: shell text with --command, many with --command-file, or after -- a command that meets no shell.

    A local manager that is not there is started.

    \b
    Up to three times more when it fails, after 10, 20 and 40 seconds:
      submit gpu1 job -n fetch --retries 3 --backoff 10s:2x --command ./fetch
    When that has succeeded, with the environment that is set here, and before others that wait:
      submit gpu1 job --after afterok:3 --capture-env --priority 5 --command ./train
    When all of a sweep has ended there, to put together what it found:
      submit gpu1 job --after-sweep afterany:lr --command ./summary
    In the code as it is now, whatever becomes of it before they run:
      submit any job --snapshot --command-file jobs.txt
    With a GPU, so much memory, and for two hours at most:
      submit any job -G 1 --mem 8G -t 2h --command ./train
    In an image, in a Kubernetes cluster; and on a partition of a Slurm:
      submit k8s job -i python:3.12 --mem 2G --follow -- python -c 'print(1)'
      submit cluster job --partition gpu -G 1 -t 2h --command ./train
    Tonight:
      submit gpu1 job --at 22:00 --tag kind=backup -- ./backup --all
    May run again after its machine was restarted in the middle of it, and sees by $SJS_ATTEMPT that it does:
      submit gpu1 job --on-lost requeue --command './train --resume'
    In a command file, a job may have options of its own behind #SJS:
      ./train --lr 0.1    #SJS --name lr-0.1 --slots 2
    """
    if argv and "--" not in call.rest:
        raise UsageError(f"what is '{argv[0]}'?", f"shell text: --command '{argv[0]}'; a plain command: -- {argv[0]}")
    choice = call.choice(any_allowed=True)
    out = call.output(choice)
    shared = shared_of(call, choice, given, out)
    source = Source(commands, command_file, argv, shared.base, checked_for(choice))
    if follow and not (source.is_one and (choice.any or not choice.named)):
        raise UsageError("--follow is for one job on one target", "--wait waits for many")
    if key is not None and given["due"] is not None:
        raise UsageError("--in and --key: with a key the jobs must be the same each time", "say --at")
    if key is not None and source.names_last:
        raise UsageError("--after last and --key: with a key the jobs must be the same each time", "name the id")
    again = key is not None
    snapshot = shared.base.snapshot
    wish = Wish(key or uuid4().hex, again, if_free, shared.envs, given["due"], snapshot, parsable, wait, follow)
    if dry_run:
        if shared.taken is not None:
            say_taken(shared.taken, out)
        with source, Fleet(choice.managers, "", out.notice, ask=call.ask, overflow=choice.overflow) as fleet:
            if choice.any:
                return rehearse_any(fleet, source, if_free, out)
            return rehearse_all(fleet, source, out, shared.envs)
    with source, Fleet(choice.managers, "start", out.notice, ask=call.ask, overflow=choice.overflow) as fleet:
        handing = Handing(call, fleet, source, wish, out, lambda taken: acknowledge(out, taken, wish))
        try:
            (handing.to_best if choice.any else handing.to_all)()
            return _until_ended(call, fleet, handing.accepted, wish, out)
        except KeyboardInterrupt:
            if not (wish.wait or wish.follow) or not handing.accepted:
                raise
            return _say_way_back(call, handing.accepted, wish, out)


def acknowledge(out: Output, taken: Sequence[tuple[str, Accepted]], wish: Wish) -> None:
    """Say what was taken: a line a job, or a line a target when there are too many to read."""
    total = sum(accepted.count for _, accepted in taken)
    for name in dict.fromkeys(name for name, accepted in taken if accepted.max_running == 0):
        out.notice(name, "warning: manager accepting at most 0 jobs, job will be queued")
    if total > MANY_LINES and not wish.parsable:
        for name in dict.fromkeys(name for name, _ in taken):
            _write_summary(out, name, [accepted for other, accepted in taken if other == name])
        return
    to = sys.stderr if wish.follow else sys.stdout
    for name, accepted in taken:
        before, behind = _around_id(out, name, wish)
        for low, high in accepted.ranges:
            to.writelines(f"{before}{number}{behind}\n" for number in range(low, high + 1))


def _around_id(out: Output, name: str, wish: Wish) -> tuple[str, str]:
    """What stands in the line of a job before its id, and behind it."""
    if wish.parsable:
        return f"{name}:" if out.named else "", ""
    line = {"status": "OK", "message": "job submitted successfully", "code": 0, "job_id": None}
    text = json.dumps({"target": name, **line} if out.json else line)
    before, _, behind = text.rpartition("null")
    return f"[{name}] {before}" if out.named and not out.json else before, behind


def _write_summary(out: Output, name: str, accepted: Sequence[Accepted]) -> None:
    count = sum(one.count for one in accepted)
    line = {
        "status": "OK",
        "message": f"{count} jobs submitted successfully",
        "code": 0,
        "first_job_id": min(one.first for one in accepted),
        "last_job_id": max(high for one in accepted for _, high in one.ranges),
        "jobs": count,
    }
    if out.json:
        out.record(name, line)
    else:
        out.line(name, json.dumps(line))


def _until_ended(call: Call, fleet: Fleet, sent: Sequence[Sent], wish: Wish, out: Output) -> int:
    """Follow, or wait, if that was asked for; the exit status of the whole command."""
    verdict = Verdict()
    if wish.follow and sent:
        _follow(fleet.target(sent[0].name), sent[0].ranges[0][0], verdict, out)
    elif wish.wait and sent:
        _wait(call, fleet, sent, verdict, out)
    return out.finish() or verdict.status


def _say_way_back(call: Call, sent: Sequence[Sent], wish: Wish, out: Output) -> int:
    """To whoever does not wait any longer."""
    for one in sent:
        how = f"logs {one.ranges[0][0]} -f" if wish.follow else f"wait {ids.text(one.ranges)}"
        out.notice(one.name, f"what was handed in runs on; to come back: {call.prog} {one.name} {how}")
    return 130


def _follow(target: Target, number: int, verdict: Verdict, out: Output) -> None:
    """Copy a job's output, byte for byte, until it has ended."""
    streams = {"out": sys.stdout.buffer, "err": sys.stderr.buffer}
    flush()
    sys.stderr.flush()
    try:
        for piece in target.read(number, tuple(streams), follow=True):
            streams[piece.stream].write(piece.data)
            streams[piece.stream].flush()
        waited = target.wait([(number, number)])
    except SjsError as error:
        out.failed(target.name, error)
        return
    verdict.add(waited)
    if waited.job is not None and waited.job.state != "succeeded":
        out.notice(target.name, ending(waited.job))


def _wait(call: Call, fleet: Fleet, sent: Sequence[Sent], verdict: Verdict, out: Output) -> None:
    flush()
    ranges = {one.name: one.ranges for one in sent}
    pursuit = Pursuit(call, None)
    for answer in fleet.ask(lambda target: pursuit.wait_for(target, ranges[target.name]), list(ranges)):
        for where, waited in answer.value or ():
            verdict.add(waited)
            tell(out, where, waited)
        if answer.error is not None:
            out.failed(answer.name, answer.error)
