"""The verbs cancel, start and stop."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sjs.cli import ids, kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.wait import wait_for
from sjs.core.job import ranges
from sjs.core.lifecycle import LIVE
from sjs.errors import NoManager, Refused, UsageError
from sjs.protocols import Cancelled, Status, Target


@verb("cancel")
@click.argument("which", nargs=-1, metavar="IDS...")
@click.option("--jid", "jids", multiple=True, metavar="IDS", help="The same as IDS.")
@click.option(
    "--grace",
    type=kinds.GRACE,
    metavar="TIME",
    help="Time between TERM and KILL, instead of what the job was given by `job --grace` (10 seconds by default).",
)
@click.option("--signal", type=kinds.SIGNAL, metavar="NAME", help="Only send this signal to those that run: USR1, 10.")
def cancel(call: Call, which: tuple[str, ...], jids: tuple[str, ...], grace: float | None, signal: int | None) -> int:
    """End jobs: those that wait never start, those that run are ended with everything they have started.

    IDS are written 5, 1-3, 1,4-6, last or all; of one of several targets, gpu1:12.

    \b
    Have a job that knows how write down where it is:
      submit gpu1 cancel 7 --signal USR1
    """
    if not which and not jids:
        raise UsageError("cancel which jobs?", "for example 5, 1-3, last or all")
    wanted = ids.parse([*which, *jids])
    if grace is not None and signal is not None:
        raise UsageError("--grace and --signal", "a signal alone ends nothing, so there is nothing to wait for")
    choice = call.choice(of=wanted)
    return fan_out(call, lambda target: target.cancel(wanted.on(target), grace, signal), _show_cancelled, choice)


def _show_cancelled(out: Output, name: str, found: Cancelled) -> None:
    fates = vars(found)
    if out.json:
        out.record(name, {fate: [list(span) for span in ranges] for fate, ranges in fates.items()})
        return
    words = {"stopping": "being ended", "ended": "had ended already"}
    parts = [
        f"{ids.count(ranges)} {words.get(fate, fate)} ({ids.text(ranges)})" for fate, ranges in fates.items() if ranges
    ]
    out.line(name, ", ".join(parts) or "no job to cancel")


@verb("start")
@click.option(
    "--max-jobs-running",
    "maximum",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="At most N jobs at once (by default as it was last; at first default_max_jobs, or as many as there are CPUs).",
)
def start(call: Call, maximum: int | None) -> int:
    """Start a manager, also one that was stopped on purpose."""
    choice = call.choice()
    hooks = {one.name: one.hooks for one in choice.managers}

    def work(target: Target) -> Status:
        return _started(target, maximum, hooks[target.name])

    return fan_out(call, work, _show_started, choice, start="restart", max_jobs=maximum)


def _started(target: Target, maximum: int | None, hooks: Mapping[str, str]) -> Status:
    found = target.report()
    is_as_wanted = maximum is None or found.report.max_running == maximum
    if is_as_wanted and not hooks:
        return found
    target.configure(None if is_as_wanted else maximum, hooks)  # it was running already, or remembers something else
    return target.report()


def _show_started(out: Output, name: str, found: Status) -> None:
    maximum = found.report.max_running
    if out.json:
        out.record(name, {"host": found.host, "pid": found.pid, "max_jobs_running": maximum})
    else:
        out.line(name, f"running on {found.host} with pid {found.pid}, at most {maximum} jobs at once")


@verb("stop")
@click.option("--force", is_flag=True, help="Also with jobs: those that run go on, those that wait are kept.")
@click.option("--drain", is_flag=True, help="Start nothing new, and stop when what runs has ended.")
@click.option("--kill", is_flag=True, help="End the running jobs, too.")
def stop(call: Call, force: bool, drain: bool, kill: bool) -> int:
    """Stop a manager that has nothing to do. Only `start` starts it again.

    \b
    Before the machine is restarted, with time for what runs:
      submit gpu1 stop --drain
    """
    if drain and (force or kill):
        raise UsageError("--drain waits for what runs", "leave out --force and --kill")
    choice = call.choice()
    out = call.output(choice)

    def work(target: Target) -> tuple[int, int] | None:
        try:
            return _drained(target, out) if drain else target.stop(kill, if_idle=not (force or kill))
        except NoManager:
            return None
        except Refused as error:
            raise Refused(error.message, error.hint or "say --drain, --force or --kill: see --help") from None

    def show(out: Output, name: str, found: tuple[int, int] | None) -> None:
        _show_stopped(out, name, found, kill)

    return fan_out(call, work, show, choice)


def _drained(target: Target, out: Output) -> tuple[int, int]:
    """Let what runs come to its end, and nothing begin after it."""
    was_drained = target.report().drained
    target.drain(True)
    running = [job.id for job in target.list(states=LIVE)]
    if running:
        out.notice(target.name, f"drained; waits for {ids.text(ranges(running))} to end; `undrain` takes it back")
        wait_for(target, ranges(running), None)
    return target.stop(undrain=not was_drained)


def _show_stopped(out: Output, name: str, found: tuple[int, int] | None, kill: bool) -> None:
    running, queued = found or (0, 0)
    if out.json:
        out.record(name, {"stopped": found is not None, "jobs_running": running, "num_jobs_queued": queued})
    elif found is None:
        out.line(name, "no manager was running")
    else:
        out.line(name, f"stopped; {running} running {'are ended' if kill else 'go on'}, {queued} waiting are kept")
