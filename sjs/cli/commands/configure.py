"""The verb configure. Where the maximum is set, its line is that of simple-job-submit, key for key."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from sjs.answers import Configured
from sjs.cli import kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.core.quantities import size

FOUND = "found"


class _Said(click.ParamType[Any]):
    """What somebody says that a machine has, or the word for what it has by itself."""

    name = "what there is"

    def __init__(self, read: Callable[[str], int]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word stays what it is."""
        try:
            found = value if value == FOUND else self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found != FOUND and found < 0:
            self.fail("there can not be less than none", param, ctx)
        return found


class _Resource(click.ParamType[Any]):
    """`licence=3`, or `licence=` for a resource that there is to be no more."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """None for the latter, as on the wire."""
        if isinstance(value, str) and value.endswith("=") and value.count("=") == 1 and len(value) > 1:
            return value[:-1], None
        return kinds.COUNTED.convert(value, param, ctx)


class _Kept(click.ParamType[int]):
    """A number, or the word that means all of it."""

    name = "number"

    def __init__(self, everything: str) -> None:
        self._everything = everything

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """0 for the word, as on the wire."""
        if value == self._everything:
            return 0
        return click.IntRange(0, 1_000_000).convert(value, param, ctx)


@verb("configure")
@click.option(
    "--max-jobs-running",
    "maximum",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="At most N jobs at once from now on; 0 pauses. Running jobs are never ended by this.",
)
@click.option("--cpus", type=_Said(int), metavar="N", help="CPUs that jobs may take together, or `found`.")
@click.option("--mem", type=_Said(size), metavar="SIZE", help="Memory that they may take, or `found`.")
@click.option("--gpus", type=_Said(int), metavar="N", help="GPUs that there are, or `found`.")
@click.option(
    "--gpu-policy",
    type=click.Choice(("avoid", "ignore")),
    help="Pass over GPUs that processes of others use (avoid, as it is at first), or give them to jobs all the same.",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    type=_Resource(),
    metavar="K=N",
    help="What else there is; any number. `K=`: there is no such thing any more.",
)
@click.option("--keep-days", type=_Kept("forever"), metavar="N", help="Keep outputs for N days, or `forever`.")
@click.option("--keep-jobs", type=_Kept("all"), metavar="N", help="Keep the records of N ended jobs, or of `all`.")
@click.option(
    "--low-water",
    type=kinds.SIZE_OR_ZERO,
    metavar="SIZE",
    help="Take and start nothing while the queue's disk has less than SIZE free; 0: than 1 %, at most 64M.",
)
@click.option("--on-start", metavar="CMD", help="Run this there whenever a job has started; '' for nothing any more.")
@click.option("--on-finish", metavar="CMD", help="Run this there whenever a job has ended; '' for nothing any more.")
@click.option("--hook-timeout", type=kinds.DURATION, metavar="TIME", help="End these then; a minute at first.")
def configure(call: Call, maximum: int | None, resources: Sequence[tuple[str, int | None]], **given: Any) -> int:
    """Set how many jobs may run at once, what they may take together, how long ended ones are kept, and more. Without
    options, say how all of it is set.

    What a machine has is found by itself; `found` is that again.

    \b
    Jobs that ask for --resource licence=1 share three of them:
      submit gpu1 configure --resource licence=3

    \b
    Jobs fill the disk, and 20 GB of it are for others:
      submit gpu1 configure --low-water 20G

    CMD is text for /bin/sh in the project_root. It gets the job's record on stdin, as one line of JSON with its `event`
    (on_start, on_finish), beside the jobs and without a slot, four at a time; a job's end is that of all its tries.
    When it fails, that is in hooks.log of the state folder, and changes nothing for the job. Each is run once, and
    again where its manager was killed meanwhile.

    \b
    Write to me when a job has failed:
      submit gpu1 configure --on-finish 'grep -q state...failed && echo $SJS_JOB_ID | mail -s failed me; true'
    """
    more = {name: None if value == FOUND else value for name, value in given.items() if value is not None}
    if resources:
        more["resources"] = dict(resources)
    named = list(more) if more or maximum is not None else None

    def show(out: Output, name: str, found: Configured) -> None:
        _show(out, name, found, maximum is not None, named)

    return fan_out(call, lambda target: target.configure(maximum, more), show)


def _show(out: Output, name: str, found: Configured, is_set: bool, named: Sequence[str] | None) -> None:
    """What was set, as it is now; where nothing was, everything."""
    if named is None:
        body = {"max_jobs_running": found.new, **found.settings}
        if out.json:
            out.record(name, body)
        else:
            out.line(name, json.dumps(body))
        return
    old = {"old_max_jobs_running": found.old} if is_set else {}
    new = {"new_max_jobs_running": found.new} if is_set else {}
    told = {one: found.settings[one] for one in named if one in found.settings}
    if out.json:
        out.record(name, {**old, **new, **told})
        return
    out.line(name, json.dumps({"status": "OK", **old, "code": 0, **new, **told, "message": "configuration successful"}))
