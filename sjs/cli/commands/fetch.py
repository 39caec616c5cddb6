"""The verb fetch: what jobs have printed and written, brought here."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import reduce

import click

from sjs.cli import ids
from sjs.cli.commands.upload import summary
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.machines import machines
from sjs.cli.output import Output
from sjs.cli.progress import Meter
from sjs.core.job import Job
from sjs.core.lifecycle import PENDING
from sjs.errors import BadRequest, Refused, UnknownJob, UsageError
from sjs.protocols import Target
from sjs.trees.patterns import patterns
from sjs.trees.tally import Tally

RESULTS = "results"


@verb("fetch")
@click.argument("words", nargs=-1, metavar="IDS... [GLOBS...]")
@click.option(
    "--to", metavar="DIR", help="Where to; by default results/TARGET. Each job has a folder of its own in it."
)
@click.option("--dry-run", is_flag=True, help="Fetch nothing; say what would be.")
def fetch(call: Call, words: tuple[str, ...], to: str | None, dry_run: bool) -> int:
    """Fetch what jobs have printed, as `stdout` and `stderr`, and the files that match GLOBS in the folders where they
    ran, into results/TARGET/ID.

    IDS are written 5, 1-3, 1,4-6, last or all; of one of several targets, gpu1:12. The first word that is none begins
    the GLOBS, whose `*` and `?` are those of a shell and whose `**` is any number of folders; a folder is fetched with
    all that is in it. Quote them.

    What is here already, of the same size and time, is not fetched again; what was interrupted goes on where it
    stopped. With several targets, DIR has a folder for each.

    \b
    The model and the figures of three jobs:
      submit gpu1 fetch 5-7 model.pt 'figures/**/*.png'
    """
    which, globs = _split(words)
    choice = machines(call, "fetch", which)
    meter = Meter(not call.json)
    folders = {one.name: _folder(one.name, to, choice.named) for one in choice.managers}

    def work(target: Target) -> Mapping[int, Tally]:
        jobs = _jobs(target, which)
        try:
            return target.machine.fetch(jobs, globs, folders[target.name], meter.add, dry_run)
        finally:
            meter.clear()

    def show(out: Output, name: str, found: Mapping[int, Tally]) -> None:
        total = reduce(Tally.plus, found.values(), Tally())
        if out.json:
            for job, tally in found.items():
                where = {"job_id": job, "to": os.path.join(folders[name], str(job)), "dry_run": dry_run}
                out.record(name, {**where, **vars(tally)})
        else:
            out.line(name, f"{folders[name]}: {summary(total, 'would be fetched' if dry_run else 'fetched')}")
        for trouble in total.troubles:
            out.notice(name, f"left out: {trouble}")
        if total.left_out:
            raise Refused(f"{total.left_out} left out, all else is here")

    return fan_out(call, work, show, choice)


def _split(words: Sequence[str]) -> tuple[ids.Ids, list[str]]:
    """The ids, and from the first word on that is none, the globs."""
    count = 0
    while count < len(words) and _is_id(words[count], is_first=count == 0):
        count += 1
    if not count:
        raise UsageError("fetch of which jobs?", "for example 5, 1-3, last or all, and then files: fetch 5 '*.log'")
    globs = list(words[count:])
    try:
        patterns(globs)
    except BadRequest as error:
        raise UsageError(error.message, "files are named as they lie in the folder where the job ran") from None
    return ids.parse(words[:count]), globs


def _is_id(word: str, is_first: bool) -> bool:
    """Whether it means jobs. Behind those, `*` and whatever a sweep could be called are files."""
    try:
        ids.parse([word])
    except UsageError:
        return False
    return is_first or not (word == "*" or any(map(ids.is_sweep, word.split(","))))


def _folder(name: str, to: str | None, is_one_of_several: bool) -> str:
    if to is None:
        return os.path.join(RESULTS, name)
    return os.path.join(to, name) if is_one_of_several else to


def _jobs(target: Target, which: ids.Ids) -> list[Job]:
    """Those that are meant, and have begun."""
    wanted = which.on(target)
    jobs = list(target.list(wanted))
    if wanted is None:
        return [job for job in jobs if job.state not in PENDING]
    found = sorted(job.id for job in jobs)
    for low, high in wanted:
        if bisect_left(found, low) == bisect_right(found, high):
            raise UnknownJob(f"no job {low}" if low == high else f"no jobs {low}-{high}")
    for job in jobs:
        if job.state in PENDING:
            raise Refused(f"job {job.id} has not begun", "wait for it, or leave it out")
    return jobs
