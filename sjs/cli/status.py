"""The verbs status, configure and check-running. The first two print the lines of simple-job-submit, key for key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from sjs.cli import kinds
from sjs.cli.common import Call, fan_out, verb
from sjs.cli.output import Output
from sjs.core.quantities import size
from sjs.errors import NoManager, UsageError
from sjs.protocols import Status, Target
from sjs.wire import MAX_HEAD


@verb("status")
def status(call: Call) -> int:
    """How many jobs run, how many may, and which wait.

    When more than 100 wait, jobs_queued holds the first 100, and num_jobs_queued says how many there are.
    """
    return fan_out(call, lambda target: target.report(MAX_HEAD), _show_status)


def _show_status(out: Output, name: str, found: Status) -> None:
    head = [{"job": one.command, "job_id": one.id} for one in found.head]
    report = found.report
    if out.json:
        out.record(name, {**_numbers(found), "jobs_queued": head})
        return
    line: dict[str, Any] = {
        "status": "OK",
        "jobs_running": report.running,
        "max_jobs_running": report.max_running,
        "code": 0,
        "jobs_queued": json.dumps(head),
    }
    if report.queued > len(head):
        line["num_jobs_queued"] = report.queued
    out.line(name, json.dumps(line))
    if found.trouble:
        out.notice(name, f"nothing starts: {found.trouble}")
    for is_so, word in ((found.drained, "undrain"), (found.paused, "resume")):
        if is_so:
            out.notice(name, f"nothing starts until `{word}`")


def _numbers(found: Status) -> dict[str, Any]:
    report = found.report
    return {
        "jobs_running": report.running,
        "max_jobs_running": report.max_running,
        "num_jobs_queued": report.queued,
        "counts": dict(found.counts),
        "host": found.host,
        "pid": found.pid,
        "root": found.root,
        "version": found.version,
        **found.keep,
        "trouble": found.trouble,
        "drained": found.drained,
        "paused": found.paused,
    }


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
    "--resource", "resources", multiple=True, type=kinds.COUNTED, metavar="K=N", help="What else there is; any number."
)
@click.option("--keep-days", type=_Kept("forever"), metavar="N", help="Keep outputs for N days, or `forever`.")
@click.option("--keep-jobs", type=_Kept("all"), metavar="N", help="Keep the records of N ended jobs, or of `all`.")
@click.option(
    "--low-water",
    type=kinds.SIZE_OR_ZERO,
    metavar="SIZE",
    help="Take and start nothing while the queue's disk has less than SIZE free; 0: than 1 %, at most 64M.",
)
def configure(call: Call, maximum: int | None, resources: tuple[tuple[str, int], ...], **given: Any) -> int:
    """Set how many jobs may run at once, what they may take together, how long ended ones are kept, and more.

    What a machine has is found by itself; `found` is that again.

    \b
    Jobs that ask for --resource licence=1 share three of them:
      submit gpu1 configure --resource licence=3

    \b
    Jobs fill the disk, and 20 GB of it are for others:
      submit gpu1 configure --low-water 20G
    """
    keep = {name: None if value == FOUND else value for name, value in given.items() if value is not None}
    if resources:
        keep["resources"] = dict(resources)
    if maximum is None and not keep:
        raise UsageError("configure what?", "give --max-jobs-running, --keep-days, --cpus, --mem, --low-water, …")

    def show(out: Output, name: str, found: tuple[int, int]) -> None:
        _show_configured(out, name, None if maximum is None else found, keep)

    return fan_out(call, lambda target: target.configure(maximum, keep), show)


def _show_configured(out: Output, name: str, found: tuple[int, int] | None, keep: Mapping[str, Any]) -> None:
    old = {} if found is None else {"old_max_jobs_running": found[0]}
    new = {} if found is None else {"new_max_jobs_running": found[1]}
    if out.json:
        out.record(name, {**old, **new, **keep})
        return
    line = {"status": "OK", **old, "code": 0, **new, **keep, "message": "configuration successful"}
    out.line(name, json.dumps(line))


@verb("check-running")
def check_running(call: Call) -> int:
    """Say whether there is a manager. Exit status 0 when there is one everywhere, else 1."""
    awake: list[bool] = []

    def show(out: Output, name: str, found: bool) -> None:
        awake.append(found)
        if out.json:
            out.record(name, {"running": found})
        else:
            click.echo(f"[{name}] I am {'' if found else 'NOT '}running")

    return fan_out(call, _is_running, show) or (0 if all(awake) else 1)


def _is_running(target: Target) -> bool:
    try:
        target.report()
    except NoManager:
        return False
    return True
