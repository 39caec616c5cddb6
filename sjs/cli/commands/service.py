"""The verbs start, stop, restart and upgrade: whether there is a manager, and which code it runs."""

from __future__ import annotations

from collections.abc import Mapping

import click

from sjs import __version__
from sjs.answers import Status
from sjs.cli import ids
from sjs.cli.commands.wait import wait_for
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.core.job import ranges
from sjs.core.lifecycle import LIVE
from sjs.errors import NoManager, UsageError
from sjs.protocols import Target
from sjs.routing import Choice, Fleet


@verb("start")
@click.option(
    "--max-jobs-running",
    "maximum",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="At most N jobs at once (by default as it was last; at first default_max_jobs, or as many as there are CPUs).",
)
def start(call: Call, maximum: int | None) -> int:
    """Start a manager, also one that was stopped on purpose.

    One that runs an older sjs is given this one, with its jobs running on.
    """
    return begin(call, machines(call, "start"), maximum)


def begin(call: Call, choice: Choice, maximum: int | None) -> int:
    """Have a manager on each."""
    hooks = {one.name: one.hooks for one in choice.managers}

    def work(target: Target) -> Status:
        return _started(target, maximum, hooks[target.name])

    return fan_out(call, work, _show_started, choice, start="restart", max_jobs=maximum)


def _started(target: Target, maximum: int | None, hooks: Mapping[str, str]) -> Status:
    found = target.report()
    if is_older(found.version, __version__):
        found = _with_our_code(target)
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
    choice = machines(call, "stop")
    out = call.output(choice)

    def work(target: Target) -> tuple[int, int] | None:
        try:
            return _drained(target, out) if drain else target.stop(kill, if_idle=not (force or kill))
        except NoManager:
            return None

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


@verb("restart")
def restart(call: Call) -> int:
    """Stop a manager and start it again; running jobs run on, and what waits waits on."""
    choice = machines(call, "restart")
    out = call.output(choice)
    with Fleet(choice.managers, "", out.notice, ask=call.ask) as fleet:
        for answer in fleet.ask(lambda target: target.stop()):
            if answer.error is not None and not isinstance(answer.error, NoManager):
                out.failed(answer.name, answer.error)
    return out.finish() or begin(call, choice, None)


@verb("upgrade")
def upgrade(call: Call) -> int:
    """Have this sjs manage the queue instead of the one that does, newer or older; jobs run on and lose nothing.

    If it can not, the one from before goes on.
    """
    return fan_out(call, _upgraded, _show_upgraded, machines(call, "upgrade"))


def _upgraded(target: Target) -> tuple[Status, Status]:
    before = target.report()
    return before, before if before.program == target.machine.program else _with_our_code(target)


def _with_our_code(target: Target) -> Status:
    target.machine.upgrade()
    target.close()  # the manager from before has left
    return target.report()


def _show_upgraded(out: Output, name: str, found: tuple[Status, Status]) -> None:
    before, after = found
    if out.json:
        out.record(name, {"old_version": before.version, "version": after.version, "program": after.program})
    elif before is after:
        out.line(name, f"sjs {after.version} manages it already")
    else:
        out.line(name, f"sjs {after.version} manages it now, and not {before.version}; {after.report.running} run on")


def is_older(version: str, than: str) -> bool:
    """Whether a version comes before another, number by number."""
    try:
        return _numbers(version) < _numbers(than)
    except ValueError:
        return False  # it is none of ours, and nobody knows


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
