"""The verb list."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from functools import wraps
from itertools import chain, islice
from typing import Any

import click

from sjs.answers import Filter
from sjs.cli import ids, kinds
from sjs.cli.common import Call, Function, fan_out, verb
from sjs.cli.output import Output
from sjs.cli.text import HEADER, row
from sjs.core.job import Job
from sjs.core.lifecycle import FINAL, LIVE, MOVING, PENDING, STATES
from sjs.protocols import Target
from sjs.wire import job_to_wire

NEWEST = 20


def filters(function: Function) -> Function:
    """Give a verb the options that choose jobs by what was said of them."""

    @wraps(function)
    def with_filter(
        *args: Any, name: str | None, tag: tuple[str, str] | None, since: float | None, sweep: str | None, **more: Any
    ) -> int:
        return function(*args, only=Filter(name, tag, since, sweep), **more)

    options = (
        click.option("--name", metavar="PATTERN", help="Only those with such a name: 'lr-*'."),
        click.option("--tag", type=kinds.PAIR, metavar="K=V", help="Only those with this tag."),
        click.option(
            "--since", type=kinds.AGO, metavar="TIME", help="Only what was done since: 2h (ago), 14:30, 2026-12-31."
        ),
        click.option("--sweep", metavar="NAME", help="Only jobs of this sweep."),
    )
    found: Function = with_filter
    for option in reversed(options):
        found = option(found)
    return found


@verb("list")
@click.argument("which", nargs=-1, metavar="[IDS]...")
@click.option("--all", "everything", is_flag=True, help="All jobs that there ever were.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only these; may be given repeatedly."
)
@filters
@click.option("-w", "--watch", is_flag=True, help="Show it anew whenever it has changed, until Ctrl-C.")
def list_jobs(
    call: Call, which: tuple[str, ...], everything: bool, states: tuple[str, ...], only: Filter, watch: bool
) -> int:
    """Jobs and how they stand: the 20 that ended last, then those that run, then those that wait.

    IDS are written 5, 1-3, 1,4-6, last or all; of one of several targets, gpu1:12.

    \b
    What was named so and failed in the last two hours:
      submit gpu1 list --name 'lr-*' --state failed --since 2h
    """
    is_chosen = everything or bool(states) or only != Filter()
    wanted = ids.parse(which) if which else ids.Ids(all=True) if is_chosen else None
    choice = call.choice(of=wanted)
    if watch:
        from sjs.cli.watch import watch as keep_watching

        return keep_watching(call, choice, lambda target: list(_found(target, wanted, states, only)), show_jobs)
    # One queue is shown as it comes, for it may be longer than memory; several are asked at once.
    gather = iter if len(choice.managers) == 1 else list
    return fan_out(call, lambda target: gather(_found(target, wanted, states, only)), show_jobs, choice)


def _found(target: Target, wanted: ids.Ids | None, states: tuple[str, ...], only: Filter) -> Iterator[Job]:
    if wanted is not None:
        yield from target.list(wanted.on(target), states or None, only=only)
        return
    yield from newest_jobs(target)


def newest_jobs(target: Target) -> Iterator[Job]:
    """Those that ended last, then those that run, then those that wait."""
    yield from target.list(states=FINAL, newest=NEWEST)
    yield from target.list(states=LIVE)
    yield from target.list(states=(*PENDING, MOVING))


def show_jobs(out: Output, name: str, jobs: Iterable[Job]) -> None:
    """Each in a line."""
    now = time.time()
    rest = iter(jobs)
    first = list(islice(rest, 1))  # what is refused has no header
    if not out.json:
        out.line(name, HEADER)
    for job in chain(first, rest):
        if out.json:
            out.record(name, job_to_wire(job))
        else:
            out.line(name, row(job, now))
