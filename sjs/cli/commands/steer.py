"""The verbs hold, release, retry, pause, resume, clean, drain and undrain: what becomes of jobs, or a whole queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from sjs.cli import ids
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.core.job import Range, ranges
from sjs.core.lifecycle import BAD
from sjs.errors import UsageError
from sjs.protocols import Target
from sjs.wire import MAX_PAGE

Show = Callable[[Output, str, Sequence[Range]], None]


@verb("hold")
@click.argument("which", nargs=-1, metavar="IDS...")
def hold(call: Call, which: tuple[str, ...]) -> int:
    """Keep waiting jobs from starting until `release`. What runs is not touched; `pause` is for that."""
    return _change(call, which, "hold", "held")


@verb("release")
@click.argument("which", nargs=-1, metavar="IDS...")
def release(call: Call, which: tuple[str, ...]) -> int:
    """Let held jobs go: in their old places, when nothing else keeps them."""
    return _change(call, which, "release", "released")


@verb("retry")
@click.argument("which", nargs=-1, metavar="[IDS]...")
@click.option(
    "--failed", is_flag=True, help="Only those that failed, took too long or were lost; without IDS, all of them."
)
def retry(call: Call, which: tuple[str, ...], failed: bool) -> int:
    """Run jobs that have ended again, under the same ids, with all their --retries anew. Earlier attempts stay in
    `details`. (`rerun` makes new jobs.)

    \b
    All that failed; what failed of a sweep, wherever it ran:
      submit gpu1 retry --failed
      submit all retry --failed lr-3f9a1c
    """
    if not failed:
        return _change(call, which, "again", "waiting again")
    wanted = ids.parse(which) if which else ids.Ids(all=True)

    def work(target: Target) -> Sequence[Range]:
        jobs = target.list(wanted.on(target), BAD)
        found = ranges(job.id for job in jobs)
        pieces = [found[start : start + MAX_PAGE] for start in range(0, len(found), MAX_PAGE)]
        return [span for piece in pieces for span in target.change("again", piece)]

    return fan_out(call, work, _shown("waiting again", "retry"), call.choice(of=wanted))


@verb("pause")
@click.argument("which", nargs=-1, metavar="[IDS]...")
def pause(call: Call, which: tuple[str, ...]) -> int:
    """Have running jobs stand still (SIGSTOP, with all that they have started); they keep their slots and memory.

    Without IDS, the whole manager: nothing runs, and nothing starts, until `resume`.
    """
    return _change(call, which, "pause", "paused", whole="all stands still until `resume`")


@verb("resume")
@click.argument("which", nargs=-1, metavar="[IDS]...")
def resume(call: Call, which: tuple[str, ...]) -> int:
    """Let paused jobs go on; without IDS, the whole manager."""
    return _change(call, which, "resume", "resumed", whole="goes on")


@verb("clean")
@click.argument("which", nargs=-1, metavar="IDS...")
def clean(call: Call, which: tuple[str, ...]) -> int:
    """Remove records and outputs of jobs that have ended, now, and not when `configure --keep-days` would."""
    return _change(call, which, "clean", "cleaned away")


@verb("drain")
def drain(call: Call) -> int:
    """Have nothing new start, while what runs goes on: before maintenance. `any` passes it over until `undrain`."""
    return _drain(call, True, "drained: nothing new starts until `undrain`")


@verb("undrain")
def undrain(call: Call) -> int:
    """Have jobs start again after `drain`; or say that a machine is mended whose jobs all failed at once."""
    return _drain(call, False, "jobs start again")


def _drain(call: Call, on: bool, words: str) -> int:
    def show(out: Output, name: str, nothing: None) -> None:
        if out.json:
            out.record(name, {"drained": on})
        else:
            out.line(name, words)

    return fan_out(call, lambda target: target.drain(on), show)


def _change(call: Call, which: Sequence[str], how: str, done: str, whole: str = "") -> int:
    """Change the jobs that are named. `whole`: without any it is the manager, and what to say then."""
    name = {"again": "retry"}.get(how, how)
    if not which and not whole:
        raise UsageError(f"{name} which jobs?", "for example 5, 1-3, last or all")
    wanted = ids.parse(which) if which else ids.Ids(all=True)

    def work(target: Target) -> Sequence[Range]:
        jobs = wanted.on(target)
        if jobs is None and which and whole:  # the jobs, and not the manager
            jobs = [(0, ids.newest_id(target))]
        return target.change(how, jobs)

    return fan_out(call, work, _shown(done, name, "" if which else whole), call.choice(of=wanted))


def _shown(done: str, name: str, whole: str = "") -> Show:
    def show(out: Output, target: str, changed: Sequence[Range]) -> None:
        if out.json:
            out.record(target, {"changed": [list(span) for span in changed]})
            return
        jobs = f"{ids.count(changed)} {done} ({ids.text(changed)})" if changed else "" if whole else f"no job to {name}"
        out.line(target, "; ".join(part for part in (whole, jobs) if part))

    return show
